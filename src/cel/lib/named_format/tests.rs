use super::super::testing::cost;
use super::super::testing::{Expression, check_expressions};
use super::*;

#[rustfmt::skip]
const CASES: &[Expression] = &[
    ("format.dns1123Label().validate('')", Ok("optional([\"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\"])")),
    ("format.dns1123Label().validate('a')", Ok("optional.none()")),
    ("format.dns1123Label().validate('A')", Ok("optional([\"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\"])")),
    ("format.dns1123Label().validate('a-')", Ok("optional([\"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\"])")),
    ("format.dns1123Label().validate('a.b')", Ok("optional([\"must not contain dots\"])")),
    ("format.dns1123Label().validate('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')", Ok("optional.none()")),
    ("format.dns1123Label().validate('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')", Ok("optional([\"must be no more than 63 characters\"])")),
    ("format.dns1123Label().validate('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_x')", Ok("optional([\"must be no more than 63 characters\", \"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\"])")),
    ("format.dns1123Subdomain().validate('a.b-c')", Ok("optional.none()")),
    ("format.dns1123Subdomain().validate('a..b')", Ok("optional([\"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\"])")),
    ("format.dns1123Subdomain().validate('A')", Ok("optional([\"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\"])")),
    ("format.dns1123Subdomain().validate('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')", Ok("optional([\"must be no more than 253 characters\"])")),
    ("format.dns1035Label().validate('a1')", Ok("optional.none()")),
    ("format.dns1035Label().validate('1a')", Ok("optional([\"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')\"])")),
    ("format.dns1035Label().validate('a-')", Ok("optional([\"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')\"])")),
    ("format.dns1123LabelPrefix().validate('a-')", Ok("optional.none()")),
    ("format.dns1123LabelPrefix().validate('-')", Ok("optional([\"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\"])")),
    ("format.dns1123LabelPrefix().validate('--')", Ok("optional.none()")),
    ("format.dns1123LabelPrefix().validate('a_-')", Ok("optional.none()")),
    ("format.dns1123LabelPrefix().validate('é-')", Ok("optional([\"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\"])")),
    ("format.dns1123SubdomainPrefix().validate('a.-')", Ok("optional.none()")),
    ("format.dns1123SubdomainPrefix().validate('a-.')", Ok("optional([\"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\"])")),
    ("format.dns1035LabelPrefix().validate('a-')", Ok("optional.none()")),
    ("format.dns1035LabelPrefix().validate('1-')", Ok("optional.none()")),
    ("format.qualifiedName().validate('')", Ok("optional([\"name part must be non-empty\", \"name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')\"])")),
    ("format.qualifiedName().validate('a')", Ok("optional.none()")),
    ("format.qualifiedName().validate('a/b/c')", Ok("optional([\"a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')\"])")),
    ("format.qualifiedName().validate('/b')", Ok("optional([\"prefix part must be non-empty\"])")),
    ("format.qualifiedName().validate('A_/b')", Ok("optional([\"prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\"])")),
    ("format.qualifiedName().validate('a/')", Ok("optional([\"name part must be non-empty\", \"name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')\"])")),
    ("format.qualifiedName().validate('a/-')", Ok("optional([\"name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')\"])")),
    ("format.qualifiedName().validate('ok.io/Name_1')", Ok("optional.none()")),
    ("format.qualifiedName().validate('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')", Ok("optional([\"name part must be no more than 63 bytes\"])")),
    ("format.labelValue().validate('')", Ok("optional.none()")),
    ("format.labelValue().validate('a_b.c')", Ok("optional.none()")),
    ("format.labelValue().validate('-a')", Ok("optional([\"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')\"])")),
    ("format.labelValue().validate('xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')", Ok("optional([\"must be no more than 63 bytes\"])")),
    ("format.uri().validate('/ok')", Ok("optional.none()")),
    ("format.uri().validate('x')", Ok("optional([\"parse \\\"x\\\": invalid URI for request\"])")),
    ("format.uri().validate('http://a/%zz')", Ok("optional([\"parse \\\"http://a/%zz\\\": invalid URL escape \\\"%zz\\\"\"])")),
    ("format.uuid().validate('x')", Ok("optional([\"does not match the UUID format\"])")),
    ("format.uuid().validate('123E4567e89b12d3a456426614174000')", Ok("optional.none()")),
    ("format.uuid().validate('123e4567-e89b-12d3-a456-426614174000')", Ok("optional.none()")),
    ("format.uuid().validate('123e4567--e89b-12d3-a456-426614174000')", Ok("optional([\"does not match the UUID format\"])")),
    ("format.uuid().validate('123e4567-e89b-12d3-a456-42661417400')", Ok("optional([\"does not match the UUID format\"])")),
    ("format.byte().validate('aGVsbG8=')", Ok("optional.none()")),
    ("format.byte().validate('aGVsbG8')", Ok("optional([\"invalid base64\"])")),
    ("format.byte().validate('')", Ok("optional([\"invalid base64\"])")),
    ("format.byte().validate('====')", Ok("optional([\"invalid base64\"])")),
    ("format.byte().validate('a===')", Ok("optional([\"invalid base64\"])")),
    ("format.byte().validate('ab==')", Ok("optional.none()")),
    ("format.byte().validate('abc=')", Ok("optional.none()")),
    ("format.byte().validate('ab=c')", Ok("optional([\"invalid base64\"])")),
    ("format.byte().validate('aGV_bG8=')", Ok("optional([\"invalid base64\"])")),
    ("format.byte().validate('aGV\\nbG8=')", Ok("optional([\"invalid base64\"])")),
    ("format.date().validate('2021-01-01')", Ok("optional.none()")),
    ("format.date().validate('2021-1-01')", Ok("optional([\"invalid date\"])")),
    ("format.date().validate('2021-02-29')", Ok("optional([\"invalid date\"])")),
    ("format.date().validate('2020-02-29')", Ok("optional.none()")),
    ("format.date().validate('')", Ok("optional([\"invalid date\"])")),
    ("format.date().validate('2021-01-01T00:00:00Z')", Ok("optional([\"invalid date\"])")),
    ("format.datetime().validate('2021-01-01T00:00:00Z')", Ok("optional.none()")),
    ("format.datetime().validate('2021-01-01t23:59:59z')", Ok("optional.none()")),
    ("format.datetime().validate('2021-01-01T24:00:00Z')", Ok("optional([\"invalid datetime\"])")),
    ("format.datetime().validate('2021-01-01T23:59:60Z')", Ok("optional([\"invalid datetime\"])")),
    ("format.datetime().validate('2021-01-01T00:00:00')", Ok("optional([\"invalid datetime\"])")),
    ("format.datetime().validate('2021-01-01T00:00:00.123+01:00')", Ok("optional.none()")),
    ("format.datetime().validate('2021-01-01T00:00:00x5Z')", Ok("optional.none()")),
    ("format.datetime().validate('2021-01-01T00:00:00+99:99')", Ok("optional.none()")),
    ("format.datetime().validate('2021-01-01T00:00:00Ztx')", Ok("optional.none()")),
    ("format.datetime().validate('2021-13-01T00:00:00Z')", Ok("optional([\"invalid datetime\"])")),
    ("format.datetime().validate('2021-01-01T00:00:00.Z')", Ok("optional([\"invalid datetime\"])")),
    ("format.datetime().validate('2021-01-01T0:00:00Z')", Ok("optional([\"invalid datetime\"])")),
    ("format.datetime().validate('')", Ok("optional([\"invalid datetime\"])")),
    ("format.named('dns1123Label').value().validate('x')", Ok("optional.none()")),
    ("format.named('nope')", Ok("optional.none()")),
    ("format.dns1123Label() == format.uuid()", Ok("false")),
    ("format.named('uuid') == optional.of(format.uuid())", Ok("true")),
    ("format.uuid() == dyn(1)", Err("no such overload")),
    ("type(format.uuid())", Ok("kubernetes.NamedFormat")),
];

#[test]
fn formats_behave_as_in_the_api_server() {
    check_expressions(CASES);
}

#[test]
fn validation_costs_text_times_pattern() {
    let run = |name: &str, text: &str| {
        let format = FORMATS
            .iter()
            .find(|format| format.name == name)
            .copied()
            .unwrap();
        cost(
            FUNCTIONS,
            "validate",
            &[Value::opaque(format), Value::from(text.to_owned())],
        )
    };
    assert_eq!(run("dns1123Label", "a"), 8);
    assert_eq!(run("uri", "0123456789"), 552);
    assert_eq!(run("uuid", "123e4567-e89b-12d3-a456-426614174000"), 72);
    assert_eq!(run("datetime", ""), 18);
}
