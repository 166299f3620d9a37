//! The Service of a Sandbox in the three states of its field.

use super::*;

impl Work<'_, '_> {
    pub(super) fn service(&mut self) -> FoundService {
        let (wanted, present) = (self.observed.sandbox.spec.service, self.observed.service);
        let none = FoundService {
            state: ServiceState::NotRequired,
            named: Some(false),
        };
        let Some(present) = present else {
            return if wanted == Some(true) {
                let (sandbox, name) = (self.observed.sandbox, name_of(self.observed.sandbox));
                let create = Write::Create(service::create(sandbox));
                self.write(step::SERVICE, Kind::Service, name, create);
                FoundService {
                    state: ServiceState::Missing,
                    named: Some(false),
                }
            } else {
                none
            };
        };
        let whose = ownership(&present.metadata, self.uid);
        match (wanted, whose) {
            (Some(false), Ownership::Ours) => {
                self.delete_service(present);
                none
            }
            (_, Ownership::Ours) => {
                self.owned_service(present);
                FoundService {
                    state: ServiceState::Present,
                    named: Some(true),
                }
            }
            (Some(true), _) => {
                self.strange_service(present, whose);
                FoundService {
                    state: ServiceState::Missing,
                    named: Some(false),
                }
            }
            (None, Ownership::Others(_)) => {
                let name = observed::name(&present.metadata);
                self.errors.push(self.not_ours("service", name, whose));
                none
            }
            (None | Some(false), _) => none,
        }
    }

    pub(super) fn delete_service(&mut self, present: &Service) {
        if !terminating(&present.metadata) {
            let name = observed::name(&present.metadata);
            self.write(
                step::SERVICE,
                Kind::Service,
                name,
                deletion(&present.metadata),
            );
        }
    }

    fn owned_service(&mut self, present: &Service) {
        if let Some(patch) = self.service_drift(present) {
            let name = observed::name(&present.metadata);
            self.write(step::SERVICE, Kind::Service, name, Write::Patch(patch));
        }
    }

    fn service_drift(&self, present: &Service) -> Option<Value> {
        let metadata = json!({ "labels": present.metadata.labels });
        let present = json!({"metadata": metadata, "spec": present.spec});
        service::drift(self.observed.sandbox, &present)
    }

    fn strange_service(&mut self, present: &Service, whose: Ownership<'_>) {
        let name = observed::name(&present.metadata);
        let address = present.spec["clusterIP"].as_str().unwrap_or_default();
        if whose != Ownership::Nobodys || !adoptable(&present.metadata, &self.hash) {
            self.errors.push(self.not_ours("service", name, whose));
        } else if !matches!(address, "" | "None") {
            self.errors.push(format!(
                "cannot adopt unowned service \"{name}\": its clusterIP is \"{address}\", and the service of a sandbox is headless (\"None\")"
            ));
        } else {
            let drift = self.service_drift(present);
            let adoption = self.adoption(&present.metadata, drift);
            self.write(step::SERVICE, Kind::Service, name, adoption);
        }
    }
}
