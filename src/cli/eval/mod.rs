//! `sandfence eval`: what an expression gives, without a policy around it.
//!
//! Reads the variables, and either prints the value of one expression or answers a stream of requests.

mod batch;
mod inputs;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::{Exit, print};
use crate::cel::playground::{Answer, Form, Refusal, Setting};

/// Arguments of `eval`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Variables: object, oldObject, request, namespaceObject and params are null unless given; authorizer has a value with
--authorizer only; other names exist when --var gives them.

Exit codes:
  0  the expression has a value; with --batch: every line was a request
  1  the expression compiles and fails to evaluate
  2  the expression does not compile, or something could not be read; with --batch: a line was no request

Examples:
  sandfence eval '1 + 1'
  sandfence eval --object sandbox.yaml 'object.spec.podTemplate.spec.containers.map(c, c.image)'
  sandfence eval --var 'limit=\"2Gi\"' 'quantity(limit).isGreaterThan(quantity(\"1G\"))'
  sandfence eval --mutation 'Object{metadata: Object.metadata{labels: {\"team\": \"a\"}}}'
  sandfence eval --batch cases.jsonl
")]
pub struct EvalArgs {
    /// The expression; `-` reads it from standard input. One that begins with a minus goes after `--`.
    #[arg(
        value_name = "EXPRESSION",
        required_unless_present_any = ["file", "batch"],
        conflicts_with_all = ["file", "batch"]
    )]
    expression: Option<String>,
    /// Read the expression from a file, or `-` for standard input.
    #[arg(short, long, value_name = "FILE", conflicts_with = "batch")]
    file: Option<PathBuf>,
    #[command(flatten)]
    inputs: inputs::Inputs,
    /// Look names up in this namespace first.
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Allow what mutations construct: `Object{}`, `JSONPatch{}`, `jsonpatch.escapeKey`.
    #[arg(long)]
    mutation: bool,
    /// Write values with their types: `{"type": T, "value": V}`.
    #[arg(long)]
    typed: bool,
    /// Answer requests, one JSON object a line, from a file or standard input. Variables given by flags are there for
    /// every line.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-", conflicts_with = "output")]
    batch: Option<PathBuf>,
    /// Output format: the value alone, or a document with its type and cost.
    #[arg(short, long, value_enum, default_value_t = Format::Pretty)]
    output: Format,
}

/// `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The value alone, as an expression that makes it.
    Pretty,
    /// A JSON document with value, type and cost.
    Json,
    /// The same document as YAML.
    Yaml,
}

/// Runs `eval`.
///
/// # Errors
/// An input cannot be read, or stdout cannot be written.
pub fn run(args: &EvalArgs) -> anyhow::Result<Exit> {
    args.one_reader_of_stdin()?;
    let read = args.inputs.read()?;
    let mut setting = read.setting()?;
    if args.mutation {
        setting.allow_mutation();
    }
    if let Some(container) = &args.container {
        setting.container(container);
    }
    if let Some(source) = &args.batch {
        let form = if args.typed { Form::Typed } else { Form::Plain };
        return batch::run(source, &setting, form);
    }
    single(args, &setting)
}

impl EvalArgs {
    fn one_reader_of_stdin(&self) -> anyhow::Result<()> {
        let expression = self.expression.as_deref().filter(|text| *text == "-");
        let file = [&self.file, &self.batch].into_iter().flatten();
        let readers = expression.iter().count()
            + file.filter(|path| path.as_os_str() == "-").count()
            + self.inputs.stdin_readers();
        if readers > 1 {
            bail!("standard input (-) is named {readers} times; it can be read once");
        }
        Ok(())
    }

    /// The expression, without the line ends of its file: mistakes at its end are shown on its last line.
    fn text(&self) -> anyhow::Result<String> {
        let file = match (&self.expression, &self.file) {
            (Some(text), _) if text != "-" => return Ok(text.clone()),
            (_, Some(file)) => file.clone(),
            _ => PathBuf::from("-"),
        };
        let text = inputs::text(&file)?.text;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

fn single(args: &EvalArgs, setting: &Setting<'_>) -> anyhow::Result<Exit> {
    let form = match args.output {
        _ if args.typed => Form::Typed,
        Format::Pretty => Form::Literal,
        Format::Json | Format::Yaml => Form::Plain,
    };
    let answer = setting.answer(&args.text()?, form);
    let document = || serde_json::Value::Object(answer.to_json());
    match args.output {
        Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(&document())?))?,
        Format::Yaml => print(&inputs::yaml(document()))?,
        Format::Pretty => pretty(&answer)?,
    }
    Ok(match answer {
        Answer::Refused(_) => Exit::Unjudged,
        Answer::Evaluated {
            outcome: Err(_), ..
        } => Exit::Findings,
        Answer::Evaluated { .. } => Exit::Clean,
    })
}

/// The value to stdout, or why there is none to stderr.
fn pretty(answer: &Answer) -> anyhow::Result<()> {
    match answer {
        Answer::Refused(refusal) => eprintln!("{}", refusal_text(refusal)),
        Answer::Evaluated {
            outcome: Err(error),
            ..
        } => {
            eprintln!("error: {error}");
            if error == "no such attribute(s): authorizer" {
                eprintln!("note: answers for authorizer come from --authorizer FILE");
            }
        }
        Answer::Evaluated {
            outcome: Ok(value), ..
        } => match value {
            serde_json::Value::String(literal) => print(&format!("{literal}\n"))?,
            typed => print(&format!("{typed:#}\n"))?,
        },
    }
    Ok(())
}

/// The API server's text and, below it, what would have been right.
fn refusal_text(refusal: &Refusal) -> String {
    let mut text = refusal.text.clone();
    for issue in &refusal.issues {
        let place = match issue.position {
            Some(position) if refusal.issues.len() > 1 => {
                format!("{}:{}: ", position.line, position.column)
            }
            _ => String::new(),
        };
        for note in &issue.notes {
            text.push_str(&format!("\nnote: {place}{note}"));
        }
    }
    text
}
