//! Loading what `check` judges by.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::super::input;
use crate::model::yaml::Document;
use crate::policy::diagnostic::Sourced;
use crate::policy::packs;
use crate::policy::presets::{self, DEFAULT_PRESET};
use crate::policy::set::{Set, Settings};
use crate::policy::typecheck;
use crate::schema::catalog::Kinds;

/// Policies in force, and where they came from.
pub struct Loaded {
    /// The compiled set.
    pub set: Set,
    /// Files and folders, as the user named them.
    pub sources: Vec<String>,
    /// Names of the profiles in force.
    pub profiles: Vec<String>,
    /// The kinds whose schemas are known, those of CRDs among policies and manifests included.
    pub kinds: Kinds,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Name of the built-in packs among the sources.
const BUILT_IN: &str = "built-in packs";

/// Reads and compiles policies from `paths` (the built-in packs when empty), profiles from there, from `manifests` and
/// from `--profile`.
///
/// # Errors
/// Everything that is wrong with any of them, each with its place.
pub fn load(
    paths: &[PathBuf],
    profiles: &[String],
    manifests: &[Document],
) -> anyhow::Result<Loaded> {
    let mut notes = Vec::new();
    let (mut objects, sources) = if paths.is_empty() {
        notes.push("no --policies given: judging by the built-in packs".to_owned());
        (built_in(|_| true)?, vec![BUILT_IN.to_owned()])
    } else {
        (
            from_paths(paths)?,
            paths
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
        )
    };
    // A manifest may bring the profile that it is to be judged by.
    let brought: Vec<Sourced> = manifests
        .iter()
        .cloned()
        .map(Sourced::from)
        .filter(|sourced| presets::profile_name(sourced).is_some())
        .collect();
    // Who wrote the manifests chose the rules as well: not to be mistaken for a judgement by the shipped profile.
    if profiles.is_empty() {
        let names: Vec<&str> = brought.iter().filter_map(presets::profile_name).collect();
        if !names.is_empty() {
            notes.push(format!(
                "the manifests bring their own GuardrailProfile ({}), which counts among those that judge them; \
                 choose with --profile",
                names.join(", ")
            ));
        }
    }
    objects.extend(brought);
    let kinds = known_kinds(&objects, manifests, &mut notes);
    let wanted = wanted(profiles, &mut objects)?;
    // Presets can be chosen by name even when the policies come from elsewhere.
    let known: Vec<String> = objects
        .iter()
        .filter_map(|sourced| presets::profile_name(sourced).map(str::to_owned))
        .collect();
    objects.extend(
        built_in(|path| path.starts_with("policies/profiles/"))?
            .into_iter()
            .filter(|sourced| {
                presets::profile_name(sourced)
                    .is_some_and(|name| !known.iter().any(|own| own == name))
            }),
    );
    let choice = presets::choose(objects, &wanted, Some(DEFAULT_PRESET))?;
    let set = Set::build(choice.objects, &Settings::default()).map_err(|diagnostics| {
        let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}\n{}", count(texts.len()), texts.join("\n"))
    })?;
    let guarded = set.policies().any(|policy| policy.takes_profiles());
    if !guarded && (!wanted.is_empty() || choice.profiles.iter().any(|name| known.contains(name))) {
        notes.push(format!(
            "GuardrailProfile {} does nothing: no policy in {} has GuardrailProfile as its paramKind; add the shipped \
             packs to --policies or leave it out",
            choice.profiles.join(", "),
            sources.join(", ")
        ));
    }
    let profiles = if guarded { choice.profiles } else { Vec::new() };
    if wanted.is_empty() && profiles == [DEFAULT_PRESET] {
        notes.push(format!(
            "no GuardrailProfile among the inputs: judging by the shipped profile `{DEFAULT_PRESET}`; choose with --profile"
        ));
    }
    if set.policies().next().is_none() {
        bail!(
            "no policy found in {}; expected ValidatingAdmissionPolicy, MutatingAdmissionPolicy or SandboxPolicy objects",
            sources.join(", ")
        );
    }
    notes.extend(set.notes().iter().cloned());
    Ok(Loaded {
        set,
        sources,
        profiles,
        kinds,
        notes,
    })
}

/// The kinds that policies can be checked for.
fn known_kinds(objects: &[Sourced], manifests: &[Document], notes: &mut Vec<String>) -> Kinds {
    let crds: Vec<Sourced> = manifests
        .iter()
        .filter(|document| document.value.str_at(&["kind"]) == Some("CustomResourceDefinition"))
        .cloned()
        .map(Sourced::from)
        .collect();
    let (kinds, mistakes) = typecheck::known_kinds(objects.iter().chain(&crds));
    notes.extend(
        mistakes
            .iter()
            .map(|mistake| format!("no policy is type-checked for the kinds of a CRD: {mistake}")),
    );
    kinds
}

fn count(mistakes: usize) -> String {
    match mistakes {
        1 => "the policies cannot be used: 1 mistake".to_owned(),
        n => format!("the policies cannot be used: {n} mistakes"),
    }
}

/// The names after `--profile`; files are read and their profiles added to `objects`.
fn wanted(profiles: &[String], objects: &mut Vec<Sourced>) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for profile in profiles {
        let path = Path::new(profile);
        let is_file = path.extension().is_some() || profile.contains(std::path::MAIN_SEPARATOR);
        if !is_file {
            names.push(profile.clone());
            continue;
        }
        let found: Vec<Sourced> = from_paths(&[path.to_owned()])?
            .into_iter()
            .filter(|sourced| presets::profile_name(sourced).is_some())
            .collect();
        if found.is_empty() {
            bail!("--profile {profile}: the file holds no GuardrailProfile");
        }
        let fresh: Vec<String> = found
            .iter()
            .filter_map(|sourced| presets::profile_name(sourced).map(str::to_owned))
            .collect();
        objects.retain(|sourced| {
            presets::profile_name(sourced).is_none_or(|name| !fresh.iter().any(|own| own == name))
        });
        names.extend(fresh);
        objects.extend(found);
    }
    Ok(names)
}

fn from_paths(paths: &[PathBuf]) -> anyhow::Result<Vec<Sourced>> {
    let (files, problems) = input::read_all(paths, &mut std::io::stdin().lock());
    if let Some(problem) = problems.first() {
        bail!("policies: {}: {}", problem.file, problem.message);
    }
    let mut objects = Vec::new();
    for file in files {
        objects.extend(Sourced::read(&file.name, &file.text).context("policies")?);
    }
    Ok(objects)
}

fn built_in(keep: impl Fn(&str) -> bool) -> anyhow::Result<Vec<Sourced>> {
    let mut objects = Vec::new();
    for (path, text) in packs::FILES.iter().filter(|(path, _)| keep(path)) {
        objects.extend(Sourced::read(path, text).context("policies")?);
    }
    Ok(objects)
}
