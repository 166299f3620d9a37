//! From files and cluster objects to a set: what is read, what is needed beside it, what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::sources;
use crate::model::gvk::{Gvk, Scope};
use crate::model::json::Json;
use crate::policy::diagnostic::Sourced;
use crate::policy::packs;
use crate::policy::presets;
use crate::policy::set::{EXEMPT_NAMESPACES, Set, Settings};
use crate::policy::source::{self, Item, OWN_GROUP, PROFILE_KIND};
use crate::policy::typecheck;

/// Where policies come from and what applies to all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Files and directories; empty means the packs in the binary.
    pub paths: Vec<PathBuf>,
    /// Shipped or file profiles to put in force by name, besides those of the cluster.
    pub profiles: Vec<String>,
    /// Namespaces that profiles never cover, besides the usual ones.
    pub exempt_namespaces: Vec<String>,
}

/// Mistakes, one text each.
pub type Mistakes = Vec<String>;

impl Origins {
    /// Reads policies, bindings, profiles and parameters from the files.
    ///
    /// # Errors
    /// What cannot be read or parsed, and profiles that are wanted and not there.
    pub fn read(&self) -> Result<Vec<Sourced>, Mistakes> {
        let mut objects = Vec::new();
        let mut mistakes = Vec::new();
        let mut take = |name: &str, text: &str| match Sourced::read(name, text) {
            Ok(found) => objects.extend(found),
            Err(error) => mistakes.push(error.to_string()),
        };
        if self.paths.is_empty() {
            for (path, text) in packs::FILES {
                take(path, text);
            }
        } else {
            let files = sources::read(&self.paths).map_err(|error| vec![error.to_string()])?;
            for file in files {
                take(&file.path.display().to_string(), &file.text);
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let choice = presets::choose(objects, &self.profiles, None)
            .map_err(|error| vec![error.to_string()])?;
        Ok(choice.objects)
    }

    /// Settings of the engine.
    #[must_use]
    pub fn settings(&self, param_scopes: BTreeMap<(String, String), Scope>) -> Settings {
        let namespaces: BTreeSet<String> = EXEMPT_NAMESPACES
            .into_iter()
            .map(str::to_owned)
            .chain(self.exempt_namespaces.iter().cloned())
            .collect();
        Settings {
            exempt_namespaces: namespaces.into_iter().collect(),
            param_scopes,
        }
    }
}

/// The parameter kinds that the policies name, profiles left out: those are always followed.
#[must_use]
pub fn param_kinds<'s>(objects: impl IntoIterator<Item = &'s Sourced>) -> BTreeSet<Gvk> {
    objects
        .into_iter()
        .filter_map(|sourced| match source::salvage(sourced) {
            // Also of a policy that cannot be used: its match conditions may look at the parameters.
            (Some(Item::Policy(policy, _)), _) => policy.param_kind,
            _ => None,
        })
        .filter(|kind| !(kind.group == OWN_GROUP && kind.kind == PROFILE_KIND))
        .collect()
}

/// A set with what the type checker says about its policies.
#[derive(Debug)]
pub struct Built {
    /// The set.
    pub set: Set,
    /// Type mistakes, one text each.
    pub warnings: Vec<String>,
}

/// Builds the set; objects of the cluster come last and win over files where both have a parameter. One of them that is
/// wrong is among the faults of the set: whoever can write it could otherwise keep every replica from starting.
///
/// # Errors
/// Every mistake of every file.
pub fn build(
    files: Vec<Sourced>,
    cluster: impl IntoIterator<Item = Arc<Json<'static>>>,
    settings: &Settings,
) -> Result<Built, Mistakes> {
    let cluster = cluster
        .into_iter()
        .map(|object| Sourced::cluster(Json::clone(&object)));
    // CRDs among the policies tell of kinds that are not known otherwise; what is wrong with one, the API server says.
    let (kinds, _) = typecheck::known_kinds(&files);
    let objects = files.into_iter().chain(cluster).collect();
    let set = Set::build_sparing(objects, settings).map_err(|diagnostics| {
        diagnostics
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    })?;
    let warnings = set
        .policies()
        .flat_map(|policy| typecheck::lint(policy, &kinds))
        .filter(|warning| !warning.false_alarm)
        .map(|warning| {
            let kinds: Vec<String> = warning.kinds.iter().map(ToString::to_string).collect();
            format!("{} (for {})", warning.diagnostic, kinds.join("; "))
        })
        .collect();
    Ok(Built { set, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn without_paths_the_packs_are_read_and_presets_wait() {
        let objects = Origins::default().read().expect("shipped packs");
        assert!(!objects.is_empty());
        assert!(objects.iter().all(|o| presets::profile_name(o).is_none()));
        let chosen = Origins {
            profiles: vec!["baseline".to_owned()],
            ..Origins::default()
        };
        let names: Vec<String> = chosen
            .read()
            .expect("shipped packs")
            .iter()
            .filter_map(|o| presets::profile_name(o).map(str::to_owned))
            .collect();
        assert_eq!(names, ["baseline"]);
    }

    #[test]
    fn mistakes_of_all_files_are_told_with_their_place() {
        let dir = tempfile::tempdir().expect("directory");
        fs::write(dir.path().join("a.yaml"), "a: b: c\n").expect("file");
        fs::write(dir.path().join("b.yaml"), "x: 1\nx: 2\n").expect("file");
        let origins = Origins {
            paths: vec![dir.path().to_owned()],
            ..Origins::default()
        };
        let mistakes = origins.read().expect_err("two mistakes");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(mistakes[0].contains("a.yaml:1:"), "{mistakes:?}");
        assert!(mistakes[1].contains("b.yaml:2:"), "{mistakes:?}");
    }

    #[test]
    fn kinds_of_parameters_are_found_and_profiles_left_out() {
        let policy = |kind: &str| {
            format!(
                "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: p}}\n\
                 spec:\n  paramKind: {kind}\n  matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: ['*'], \
                 operations: ['*'], resources: [pods]}}]}}\n  validations: [{{expression: 'true'}}]\n"
            )
        };
        let config =
            Sourced::read("a", &policy("{apiVersion: v1, kind: ConfigMap}")).expect("YAML");
        let profile = Sourced::read(
            "b",
            &policy("{apiVersion: sandfence.dev/v1alpha1, kind: GuardrailProfile}"),
        )
        .expect("YAML");
        let kinds = param_kinds(config.iter().chain(&profile));
        assert_eq!(kinds, BTreeSet::from([Gvk::new("v1", "ConfigMap")]));
    }
}
