//! Variables of `eval` from files and arguments.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use crate::cel::lib::authz::table::Table;
use crate::cel::playground::Setting;
use crate::cel::playground::review::Review;
use crate::cel::value::Value;
use crate::cli::input::{self, InputFile};
use crate::config::walk;
use crate::model::json::Json;
use crate::model::yaml;
use crate::model::yaml_out::to_yaml;

/// What an expression is tried with.
#[derive(Debug, Args)]
pub struct Inputs {
    /// The new object: a YAML or JSON file, or `-` for standard input.
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
    /// The stored object.
    #[arg(long, value_name = "FILE")]
    old_object: Option<PathBuf>,
    /// The parameter object.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// The admission request, or a whole AdmissionReview, which also gives object and oldObject.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The namespace of the object.
    #[arg(long, value_name = "FILE")]
    namespace_object: Option<PathBuf>,
    /// A table of answers for `authorizer`: rules like those of RBAC, each with `decision: allow|deny`.
    #[arg(long, value_name = "FILE")]
    authorizer: Option<PathBuf>,
    /// A variable with its value as JSON, or from a YAML or JSON file. Repeatable.
    #[arg(long, value_name = "NAME=JSON|NAME=@FILE")]
    var: Vec<String>,
    /// A variable with its value in typed form, such as `{"type": "uint", "value": "1"}`. Repeatable.
    #[arg(long, value_name = "NAME=JSON|NAME=@FILE")]
    typed_var: Vec<String>,
    /// A variable as policies declare them: seen as `variables.NAME` by the expression and by those after it. Repeatable.
    #[arg(long, value_name = "NAME=EXPRESSION")]
    policy_var: Vec<String>,
}

/// What was read: values borrow from it.
#[derive(Debug)]
pub struct Read {
    /// Plain and typed, by name, with the flag they came from.
    values: Vec<Given>,
    authorizer: Option<Table>,
    policy_variables: Vec<(String, String)>,
}

#[derive(Debug)]
struct Given {
    flag: String,
    name: String,
    value: Json<'static>,
    typed: bool,
}

impl Inputs {
    /// How many of them are standard input.
    pub fn stdin_readers(&self) -> usize {
        let files = self.files().into_iter().map(|(_, _, file)| file);
        let files = files.chain([&self.authorizer]).flatten();
        let vars = self.var.iter().chain(&self.typed_var);
        files.filter(|path| path.as_os_str() == "-").count()
            + vars.filter(|given| given.ends_with("=@-")).count()
    }

    fn files(&self) -> [(&'static str, &'static str, &Option<PathBuf>); 5] {
        [
            ("--object", "object", &self.object),
            ("--old-object", "oldObject", &self.old_object),
            ("--params", "params", &self.params),
            ("--request", "request", &self.request),
            (
                "--namespace-object",
                "namespaceObject",
                &self.namespace_object,
            ),
        ]
    }

    /// Reads all of them.
    pub fn read(&self) -> anyhow::Result<Read> {
        let mut values = Vec::new();
        let mut review = None;
        for (flag, name, file) in self.files() {
            let Some(file) = file else { continue };
            let mut value = document(file)?;
            if name == "request" {
                let parts = Review::new(&value);
                value = parts.request.clone();
                review = Some(parts);
            }
            values.push(given(flag, name, value, false));
        }
        if let Some(review) = review {
            for (name, part) in [("object", review.object), ("oldObject", review.old_object)] {
                if let Some(value) = part.filter(|_| values.iter().all(|known| known.name != name))
                {
                    values.push(given("--request", name, value, false));
                }
            }
        }
        for (flag, typed, all) in [
            ("--var", false, &self.var),
            ("--typed-var", true, &self.typed_var),
        ] {
            for text in all {
                let (name, value) = variable(flag, text)?;
                values.push(given(flag, name, value, typed));
            }
        }
        Ok(Read {
            values,
            authorizer: self.authorizer.as_deref().map(table).transpose()?,
            policy_variables: self
                .policy_var
                .iter()
                .map(|text| split("--policy-var", text, "EXPRESSION"))
                .map(|pair| pair.map(|(name, text)| (name.to_owned(), text.to_owned())))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

impl Read {
    /// The setting that these make.
    pub fn setting(&self) -> anyhow::Result<Setting<'_>> {
        let mut setting = Setting::default();
        for Given {
            flag,
            name,
            value,
            typed,
        } in &self.values
        {
            if setting.has(name) {
                bail!("{flag}: {name} is given twice");
            }
            let value = match typed {
                false => Ok(Value::from(value)),
                true => Value::from_typed(value),
            };
            value
                .and_then(|value| setting.set(name, value))
                .map_err(|mistake| anyhow!("{flag} {name}: {mistake}"))?;
        }
        for (name, expression) in &self.policy_variables {
            setting
                .policy_variable(name, expression)
                .map_err(|mistake| anyhow!("--policy-var {name}: {mistake}"))?;
        }
        if let Some(table) = &self.authorizer {
            setting.authorize(table.clone());
        }
        Ok(setting)
    }
}

fn given(flag: &str, name: &str, value: Json<'static>, typed: bool) -> Given {
    Given {
        flag: flag.to_owned(),
        name: name.to_owned(),
        value,
        typed,
    }
}

/// The text of a file or of standard input.
pub fn text(path: &Path) -> anyhow::Result<InputFile> {
    let stdin = path.as_os_str() == "-";
    let (name, read) = if stdin {
        let mut stdin = std::io::stdin().lock();
        let read = walk::read_from(&mut stdin, input::MAX_FILE_BYTES);
        (input::STDIN.to_owned(), read)
    } else {
        let read = walk::read(path, input::MAX_FILE_BYTES).map_err(|trouble| trouble.why);
        (path.display().to_string(), read)
    };
    match read {
        Ok(text) => Ok(InputFile { name, text }),
        Err(why) => bail!("{name}: {why}"),
    }
}

/// The only document of a file.
fn document(path: &Path) -> anyhow::Result<Json<'static>> {
    let InputFile { name, text } = text(path)?;
    let mut documents = yaml::read(&name, &text)?;
    match (documents.pop(), documents.len()) {
        (Some(only), 0) => Ok(only.value),
        (None, _) => bail!("{name}: expected one document, found none"),
        (Some(_), more) => bail!("{name}: expected one document, found {}", more + 1),
    }
}

fn table(path: &Path) -> anyhow::Result<Table> {
    let document = document(path)?;
    Table::read(&document).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        anyhow!("{}: {}", path.display(), mistakes.join("; "))
    })
}

/// `NAME=JSON` or `NAME=@FILE`.
fn variable<'t>(flag: &str, text: &'t str) -> anyhow::Result<(&'t str, Json<'static>)> {
    let (name, value) = split(flag, text, "JSON")?;
    if let Some(file) = value.strip_prefix('@') {
        return Ok((name, document(Path::new(file))?));
    }
    let json = Json::parse(value).with_context(|| {
        format!(
            "{flag} {name}: {value:?} is not JSON (a string needs its quotes: {name}='\"text\"')"
        )
    })?;
    Ok((name, json.to_owned_json()))
}

fn split<'t>(flag: &str, text: &'t str, what: &str) -> anyhow::Result<(&'t str, &'t str)> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .with_context(|| format!("{flag} {text:?}: expected NAME={what}"))
}

/// A document as YAML. Integers that its readers would take for doubles are written as text.
pub fn yaml(mut document: serde_json::Value) -> String {
    quote_large(&mut document);
    to_yaml(&Json::from(document))
}

fn quote_large(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) if number.is_u64() && !number.is_i64() => {
            *value = number.to_string().into();
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(quote_large),
        serde_json::Value::Object(members) => members.values_mut().for_each(quote_large),
        _ => {}
    }
}
