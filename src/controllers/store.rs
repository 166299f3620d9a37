//! What is known of the objects of one kind: what the watch tells, and before it does, what our own writes came to.
//!
//! A write's answer is kept like news of the watch, and an object is never replaced by an older version of itself. So a
//! controller sees what it has just done, however far the watch is behind, and an event that only repeats a write of
//! ours is no news. An object whose deletion was answered stays deleted, whatever older events say.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use kube::Resource;
use kube::runtime::watcher::Event;

/// Namespace and name.
pub type Name = (String, String);

/// Annotation in which kubectl keeps a copy of the whole object.
const COPY: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A change of one object.
#[derive(Clone, Debug)]
pub struct Change<K> {
    /// Which.
    pub name: Name,
    /// As it was.
    pub old: Option<Arc<K>>,
    /// As it is.
    pub new: Option<Arc<K>>,
}

/// The objects of one kind.
#[derive(Debug)]
pub struct Store<K> {
    objects: BTreeMap<Name, Arc<K>>,
    /// Names by namespace and tag.
    tagged: BTreeMap<Name, BTreeSet<String>>,
    tags: fn(&K) -> Vec<String>,
    /// A list in progress.
    listing: Option<BTreeMap<Name, Arc<K>>>,
    /// What was written while that list was in progress: it may be missing there.
    written: BTreeSet<Name>,
    /// Uids of objects that are gone although the watch has not said so.
    gone: HashSet<String>,
    listed: bool,
}

impl<K: Resource> Store<K> {
    /// Nothing known yet; objects with a tag in common can be found together.
    #[must_use]
    pub fn new(tags: fn(&K) -> Vec<String>) -> Self {
        Self {
            objects: BTreeMap::new(),
            tagged: BTreeMap::new(),
            tags,
            listing: None,
            written: BTreeSet::new(),
            gone: HashSet::new(),
            listed: false,
        }
    }

    /// Whether a complete list has been seen.
    #[must_use]
    pub const fn listed(&self) -> bool {
        self.listed
    }

    /// One object.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&K> {
        let key = (namespace.to_owned(), name.to_owned());
        self.objects.get(&key).map(AsRef::as_ref)
    }

    /// The objects of a namespace with this tag, by name.
    pub fn tagged(&self, namespace: &str, tag: &str) -> impl Iterator<Item = &K> + use<'_, K> {
        let key = (namespace.to_owned(), tag.to_owned());
        let names = self.tagged.get(&key).into_iter().flatten();
        names.filter_map(move |name| {
            let key = (key.0.clone(), name.clone());
            self.objects.get(&key).map(AsRef::as_ref)
        })
    }

    /// The names of all objects.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.objects.keys()
    }

    /// Takes an event of the watch.
    pub fn take(&mut self, event: Event<K>) -> Vec<Change<K>> {
        match event {
            Event::Init => {
                self.listing = Some(BTreeMap::new());
                self.written.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                let (name, object) = kept(object);
                if let Some(listing) = &mut self.listing {
                    listing.insert(name, object);
                }
                Vec::new()
            }
            Event::InitDone => self.complete(),
            Event::Apply(object) => self.put(object).into_iter().collect(),
            Event::Delete(object) => self.deleted(&object).into_iter().collect(),
        }
    }

    /// Takes the answer to a write of ours.
    pub fn learn(&mut self, object: K) -> Option<Change<K>> {
        let change = self.put(object)?;
        if self.listing.is_some() {
            self.written.insert(change.name.clone());
        }
        Some(change)
    }

    /// Takes the answer that an object is not there (any more).
    pub fn forget(&mut self, namespace: &str, name: &str) -> Option<Change<K>> {
        let key = (namespace.to_owned(), name.to_owned());
        let uid = self.objects.get(&key)?.meta().uid.clone()?;
        self.gone.insert(uid);
        self.replace(key, None)
    }

    fn put(&mut self, object: K) -> Option<Change<K>> {
        let (name, object) = kept(object);
        let known = self.objects.get(&name);
        if known.is_some_and(|known| !is_newer(object.as_ref(), known)) || self.is_gone(&object) {
            return None;
        }
        self.replace(name, Some(object))
    }

    fn is_gone(&self, object: &K) -> bool {
        let uid = object.meta().uid.as_ref();
        uid.is_some_and(|uid| self.gone.contains(uid))
    }

    fn deleted(&mut self, object: &K) -> Option<Change<K>> {
        let uid = object.meta().uid.as_ref();
        if let Some(uid) = uid {
            self.gone.remove(uid);
        }
        let name = name_of(object);
        // Another object may have taken the name since.
        if self.objects.get(&name)?.meta().uid.as_ref() != uid {
            return None;
        }
        self.replace(name, None)
    }

    /// The list replaces what was known, except for what our own writes have shown since it began.
    fn complete(&mut self) -> Vec<Change<K>> {
        self.listed = true;
        let mut listing = self.listing.take().unwrap_or_default();
        for name in std::mem::take(&mut self.written) {
            if let Some(known) = self.objects.get(&name) {
                let older = listing
                    .get(&name)
                    .is_none_or(|listed| is_newer(known.as_ref(), listed));
                if older {
                    listing.insert(name, Arc::clone(known));
                }
            }
        }
        // Only what an old list still shows has to be remembered as gone.
        let listed: HashSet<String> = listing
            .values()
            .filter_map(|object| object.meta().uid.clone())
            .collect();
        self.gone.retain(|uid| listed.contains(uid));
        listing.retain(|_, object| !self.is_gone(object));
        let mut names: BTreeSet<Name> = self.objects.keys().cloned().collect();
        names.extend(listing.keys().cloned());
        let changes = names.into_iter().filter_map(|name| {
            let new = listing.remove(&name);
            let known = self.objects.get(&name);
            if let (Some(new), Some(known)) = (&new, known)
                && !is_newer(new.as_ref(), known)
            {
                return None;
            }
            self.replace(name, new)
        });
        changes.collect()
    }

    fn replace(&mut self, name: Name, new: Option<Arc<K>>) -> Option<Change<K>> {
        let old = match &new {
            Some(new) => self.objects.insert(name.clone(), Arc::clone(new)),
            None => self.objects.remove(&name),
        };
        for (object, present) in [(&old, false), (&new, true)] {
            let tags = object
                .as_ref()
                .map_or_else(Vec::new, |object| (self.tags)(object));
            for tag in tags {
                let key = (name.0.clone(), tag);
                let names = self.tagged.entry(key.clone()).or_default();
                if present {
                    names.insert(name.1.clone());
                } else {
                    names.remove(&name.1);
                }
                if names.is_empty() {
                    self.tagged.remove(&key);
                }
            }
        }
        (old.is_some() || new.is_some()).then_some(Change { name, old, new })
    }
}

fn name_of<K: Resource>(object: &K) -> Name {
    let meta = object.meta();
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

/// The object without what nobody reads.
fn kept<K: Resource>(mut object: K) -> (Name, Arc<K>) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(COPY);
    }
    (name_of(&object), Arc::new(object))
}

/// Whether `one` is a later state than `other`. Resource versions count up over all objects of the API server.
fn is_newer<K: Resource>(one: &K, other: &K) -> bool {
    let version = |object: &K| {
        object
            .meta()
            .resource_version
            .as_ref()?
            .parse::<u128>()
            .ok()
    };
    match (version(one), version(other)) {
        (Some(one), Some(other)) => one > other,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    fn map(name: &str, uid: &str, version: u32) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {
            "name": name, "namespace": "n", "uid": uid, "resourceVersion": version.to_string(), "labels": {"tag": uid},
        }}))
        .expect("a map")
    }

    fn store(listed: &[ConfigMap]) -> Store<ConfigMap> {
        let mut store = Store::new(|map: &ConfigMap| {
            let tags = map
                .metadata
                .labels
                .iter()
                .flat_map(|labels| labels.values());
            tags.cloned().collect()
        });
        list(&mut store, listed);
        store
    }

    fn list(store: &mut Store<ConfigMap>, listed: &[ConfigMap]) -> Vec<String> {
        store.take(Event::Init);
        for map in listed {
            store.take(Event::InitApply(map.clone()));
        }
        told(&store.take(Event::InitDone))
    }

    /// Name, old version, new version.
    fn told(changes: &[Change<ConfigMap>]) -> Vec<String> {
        let version = |map: &Option<Arc<ConfigMap>>| {
            map.as_ref()
                .and_then(|map| map.metadata.resource_version.clone())
                .unwrap_or_default()
        };
        let line = |change: &Change<ConfigMap>| {
            format!(
                "{} {}>{}",
                change.name.1,
                version(&change.old),
                version(&change.new)
            )
        };
        changes.iter().map(line).collect()
    }

    #[test]
    fn an_event_that_repeats_a_write_is_no_news() {
        let mut store = store(&[map("a", "1", 1)]);
        let learned: Vec<_> = store.learn(map("a", "1", 5)).into_iter().collect();
        assert_eq!(told(&learned), ["a 1>5"]);
        for late in [3, 5] {
            assert_eq!(
                told(&store.take(Event::Apply(map("a", "1", late)))),
                [""; 0]
            );
        }
        assert_eq!(told(&store.take(Event::Apply(map("a", "1", 6)))), ["a 5>6"]);
    }

    #[test]
    fn what_is_deleted_stays_deleted_until_another_takes_the_name() {
        let mut store = store(&[map("a", "1", 1)]);
        let gone: Vec<_> = store.forget("n", "a").into_iter().collect();
        assert_eq!(told(&gone), ["a 1>"]);
        assert!(store.forget("n", "a").is_none());
        assert_eq!(told(&store.take(Event::Apply(map("a", "1", 2)))), [""; 0]);
        store.learn(map("a", "2", 4));
        assert_eq!(told(&store.take(Event::Delete(map("a", "1", 3)))), [""; 0]);
        assert_eq!(told(&store.take(Event::Delete(map("a", "2", 5)))), ["a 4>"]);
    }

    #[test]
    fn a_list_heals_gaps_and_does_not_undo_writes_made_meanwhile() {
        let mut store = store(&[
            map("same", "1", 1),
            map("lost", "2", 2),
            map("changed", "3", 3),
        ]);
        assert!(store.listed());
        store.take(Event::Init);
        store.learn(map("new", "4", 9));
        store.learn(map("changed", "3", 8));
        for listed in [
            map("same", "1", 1),
            map("changed", "3", 7),
            map("found", "5", 6),
        ] {
            store.take(Event::InitApply(listed));
        }
        assert_eq!(told(&store.take(Event::InitDone)), ["found >6", "lost 2>"]);
        let names: Vec<&str> = store.names().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["changed", "found", "new", "same"]);
    }

    #[test]
    fn objects_are_found_by_their_tag() {
        let mut store = store(&[map("a", "1", 1), map("b", "1", 2), map("c", "2", 3)]);
        let names = |store: &Store<ConfigMap>, tag: &str| {
            let names = store
                .tagged("n", tag)
                .filter_map(|map| map.metadata.name.clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(&store, "1"), ["a", "b"]);
        store.take(Event::Apply(map("a", "2", 4)));
        assert_eq!(
            (names(&store, "1"), names(&store, "2")),
            (vec!["b".into()], vec!["a".into(), "c".into()])
        );
        assert_eq!(list(&mut store, &[]), ["a 4>", "b 2>", "c 3>"]);
        assert!(store.tagged.is_empty());
    }
}
