//! `sandfence eval` as a user runs it: whole outputs, exit codes, and what bad input gets.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Exit code, stdout, stderr.
type Run = (i32, String, String);

/// Runs `sandfence eval` in `tests/data/eval`.
fn eval(args: &[&str], stdin: &str) -> Run {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eval");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .arg("eval")
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut pipe = child.stdin.take().expect("piped");
    // The program may refuse its arguments before it reads: a closed pipe is then no failure of the test.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code().expect("not killed"),
        text(output.stdout),
        text(output.stderr),
    )
}

fn gives(args: &[&str], stdin: &str, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(
        eval(args, stdin),
        (code, stdout.to_owned(), stderr.to_owned()),
        "{args:?}"
    );
}

#[test]
fn the_value_of_an_expression_on_an_object_is_printed() {
    gives(&["1 + 1"], "", 0, "2\n", "");
    let object = ["--object", "sandbox.yaml"];
    let images = "object.spec.podTemplate.spec.containers.map(c, c.image)";
    let images = [&object[..], &[images]].concat();
    gives(
        &images,
        "",
        0,
        "[\"ghcr.io/acme/agent:v1\", \"ghcr.io/acme/sidecar:v2\"]\n",
        "",
    );
    gives(
        &["-o", "json", "-f", "-", "--old-object", "sandbox.yaml"],
        "oldObject.metadata.labels // of the stored one\n",
        0,
        "{\n  \"cost\": 3,\n  \"type\": \"dyn\",\n  \"value\": {\n    \"team\": \"a\"\n  }\n}\n",
        "",
    );
    gives(
        &["-o", "yaml", "--typed", "18446744073709551615u"],
        "",
        0,
        "cost: 0\ntype: uint\nvalue:\n  type: uint\n  value: \"18446744073709551615\"\n",
        "",
    );
    gives(
        &["-o", "yaml", "18446744073709551615u"],
        "",
        0,
        "cost: 0\ntype: uint\nvalue: \"18446744073709551615\"\n",
        "",
    );
    gives(
        &["--typed", "1u"],
        "",
        0,
        "{\n  \"type\": \"uint\",\n  \"value\": \"1\"\n}\n",
        "",
    );
    gives(&["--", "-1"], "", 0, "-1\n", "");
}

#[test]
fn variables_come_from_flags_and_files() {
    gives(
        &[
            "--var",
            "limit=\"2Gi\"",
            "--var",
            "o=@sandbox.yaml",
            "--typed-var",
            "n={\"type\":\"uint\",\"value\":\"3\"}",
            "--policy-var",
            "q=quantity(limit)",
            "--params",
            "-",
            "[dyn(variables.q), dyn(o.kind), dyn(n), dyn(params)]",
        ],
        "{\"data\": {\"a\": \"b\"}}",
        0,
        "[quantity(\"2Gi\"), \"Sandbox\", 3u, {\"data\": {\"a\": \"b\"}}]\n",
        "",
    );
    gives(
        &[
            "--request",
            "review.yaml",
            "--authorizer",
            "authorizer.yaml",
            "[string(object.spec.replicas - oldObject.spec.replicas), request.operation, \
            authorizer.requestResource.check('update').reason(), \
            authorizer.group('').resource('pods').check('get').reason()]",
        ],
        "",
        0,
        "[\"1\", \"UPDATE\", \"ann may\", \"nobody said so\"]\n",
        "",
    );
    gives(
        &[
            "--mutation",
            "[JSONPatch{op: 'add', path: '/a', value: 1}, JSONPatch{op: 'remove', path: '/b'}]",
        ],
        "",
        0,
        "[\n  JSONPatch{op: \"add\", path: \"/a\", value: 1},\n  JSONPatch{op: \"remove\", path: \"/b\"}\n]\n",
        "",
    );
    gives(
        &["--container", "a.b", "--var", "a.b.c=1", "c"],
        "",
        0,
        "1\n",
        "",
    );
}

#[test]
fn an_evaluation_that_fails_has_exit_code_1() {
    for (expression, error) in [
        ("1 / 0", "division by zero"),
        ("1 % 0", "modulus by zero"),
        ("int(1e300 * 1.0)", "integer overflow"),
        (
            "string(bytes('a') + b'\\xff')",
            "invalid UTF-8 in bytes, cannot convert to string",
        ),
        ("object.a", "no such key: a"),
        (
            "lists.range(3000).all(a, lists.range(3000).all(b, a + b >= 0))",
            "operation cancelled: actual cost limit exceeded",
        ),
    ] {
        gives(&[expression], "", 1, "", &format!("error: {error}\n"));
    }
    gives(
        &["authorizer.path('/a').check('get').allowed()"],
        "",
        1,
        "",
        "error: no such attribute(s): authorizer\nnote: answers for authorizer come from --authorizer FILE\n",
    );
}

#[test]
fn an_expression_that_does_not_compile_has_exit_code_2_and_says_what_would_be_right() {
    let declared = "note: declared variables: authorizer, authorizer.requestResource, namespaceObject, object, oldObject, \
                    params, request\n";
    for (expression, error) in [
        (
            "1 +",
            "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', \
             'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 +\n | ...^\n"
                .to_owned(),
        ),
        (
            "1 + sizes('a')",
            "ERROR: <input>:1:10: undeclared reference to 'sizes' (in container '')\n | 1 + sizes('a')\n | .........^\n\
             note: did you mean size?\nnote: size takes size(bytes) -> int or bytes.size() -> int or size(list(A)) -> int or \
             list(A).size() -> int or size(map(A, B)) -> int or map(A, B).size() -> int or size(string) -> int or \
             string.size() -> int\n"
                .to_owned(),
        ),
        (
            "'a'.contains('b', 'c')",
            "ERROR: <input>:1:13: found no matching overload for 'contains' applied to 'string.(string, string)'\n \
             | 'a'.contains('b', 'c')\n | ............^\nnote: contains takes string.contains(string) -> bool\n"
                .to_owned(),
        ),
        (
            "true &&\n  nobody.spec",
            format!(
                "ERROR: <input>:2:3: undeclared reference to 'nobody' (in container '')\n |   nobody.spec\n | ..^\n{declared}"
            ),
        ),
        (
            "'1' - 1",
            "ERROR: <input>:1:5: found no matching overload for '_-_' applied to '(string, int)'\n | '1' - 1\n | ....^\n\
             note: - takes double - double -> double or duration - duration -> duration or int - int -> int or timestamp - \
             duration -> timestamp or timestamp - timestamp -> duration or uint - uint -> uint\n"
                .to_owned(),
        ),
        (
            "'a'.matches('(')",
            "ERROR: <input>:1:13: invalid matches argument\n | 'a'.matches('(')\n | ............^\n".to_owned(),
        ),
    ] {
        gives(&[expression], "", 2, "", &error);
    }
}

#[test]
fn hostile_expressions_are_refused_by_their_limits() {
    for (expression, error) in [
        (
            format!("'{}'", "a".repeat(1_000_000)),
            "expression code point size exceeds limit: size: 1000002, limit 100000",
        ),
        (
            format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000)),
            "expression recursion limit exceeded: 250",
        ),
        (
            format!("1{}", "+1".repeat(49_999)),
            "max recursion depth exceeded",
        ),
    ] {
        let error = format!("ERROR: <input>:-1:0: {error}\n");
        gives(&["-"], &expression, 2, "", &error);
    }
    let pattern = format!("'{}'.matches('(a*)*(a|aa)+b')", "a".repeat(50_000));
    gives(
        &["-o", "json", "-"],
        &pattern,
        0,
        "{\n  \"cost\": 20004,\n  \"type\": \"bool\",\n  \"value\": false\n}\n",
        "",
    );
}

#[test]
fn bad_arguments_have_exit_code_2_and_name_the_mistake() {
    for (args, error) in [
        (
            &["--object", "none.yaml", "1"][..],
            "none.yaml: cannot be read: No such file or directory (os error 2)",
        ),
        (
            &["--object", "-", "1"],
            "<stdin>: expected one document, found 2",
        ),
        (
            &["--object", "-", "--params", "-", "1"],
            "standard input (-) is named 2 times; it can be read once",
        ),
        (&["--var", "a", "1"], "--var \"a\": expected NAME=JSON"),
        (
            &["--var", "a=text", "1"],
            "--var a: \"text\" is not JSON (a string needs its quotes: a='\"text\"'): expected ident at line 1 column 2",
        ),
        (
            &["--var", "a-b=1", "1"],
            "--var a-b: \"a-b\" must be a CEL identifier: letters, digits or '_', no digit first, and no reserved word",
        ),
        (
            &["--object", "sandbox.yaml", "--var", "object=1", "1"],
            "--var: object is given twice",
        ),
        (
            &["--typed-var", "a={\"type\":\"int\",\"value\":1}", "1"],
            "--typed-var a: expected the value of a int, found 1",
        ),
        (
            &["--authorizer", "sandbox.yaml", "1"],
            "sandbox.yaml: apiVersion: unknown field; kind: unknown field; \
                                                   metadata: unknown field; spec: unknown field",
        ),
    ] {
        gives(
            args,
            "a: 1\n---\nb: 2\n",
            2,
            "",
            &format!("error: {error}\n"),
        );
    }
}

#[test]
fn a_batch_answers_every_line_in_order_and_a_bad_one_by_its_number() {
    let lines = "\
{\"id\": 1, \"expression\": \"object.kind + x\", \"variables\": {\"x\": \"!\"}}

{\"id\": \"b\", \"expression\": \"1 / 0\"}
nonsense
{\"id\": 3, \"expression\": \"nobody()\"}
{\"id\": 4, \"expression\": \"u\", \"typedVariables\": {\"u\": {\"type\": \"uint\", \"value\": \"1\"}}}
";
    let answers = "\
{\"cost\":4,\"id\":1,\"type\":\"dyn\",\"value\":\"Sandbox!\"}
{\"cost\":1,\"error\":\"division by zero\",\"id\":\"b\",\"type\":\"int\"}
{\"error\":\"line 4: not JSON at column 2: expected ident\",\"line\":4}
{\"compileError\":\"ERROR: <input>:1:7: undeclared reference to 'nobody' (in container '')\\n | nobody()\\n | ......^\",\
\"id\":3,\"issues\":[{\"column\":7,\"line\":1,\"message\":\"undeclared reference to 'nobody' (in container '')\"}]}
{\"cost\":1,\"id\":4,\"type\":\"dyn\",\"value\":1}
";
    gives(
        &["--object", "sandbox.yaml", "--batch"],
        lines,
        2,
        answers,
        "",
    );
    gives(
        &["--typed", "--batch", "-"],
        "{\"expression\": \"[1u]\"}\n",
        0,
        "{\"cost\":0,\"type\":\"list(uint)\",\"value\":{\"type\":\"list\",\"value\":[{\"type\":\"uint\",\"value\":\"1\"}]}}\n",
        "",
    );
}

#[test]
fn completions_know_the_command() {
    let output = Command::new(env!("CARGO_BIN_EXE_sandfence"))
        .args(["completions", "bash"])
        .output()
        .expect("it runs");
    let script = String::from_utf8(output.stdout).expect("UTF-8");
    for flag in [
        "--namespace-object",
        "--policy-var",
        "--typed-var",
        "--batch",
        "--mutation",
    ] {
        assert!(script.contains(flag), "{flag}");
    }
}
