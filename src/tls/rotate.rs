//! When certificates are issued, renewed and replaced: a pure decision over what is there and the time.
//!
//! Invariants: the API server learns of an authority at least [`Profile::overlap`] before a certificate signed by it
//! is served; an authority leaves the bundle only after its end; a serving certificate is renewed when a third of its
//! life is left, long before anybody notices.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::issue::{self, BACKDATE, IssueError, PemPair};
use super::material::{self, Facts};

/// Most authorities kept in a bundle; more than two are only there while old ones run out.
const AUTHORITIES: usize = 4;

/// What is kept, in a Secret or in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Certificates of authorities, newest first, PEM.
    pub authorities: Vec<String>,
    /// Key of the newest authority; absent when somebody else issued it.
    pub authority_key: Option<String>,
    /// The serving pair.
    pub serving: PemPair,
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle")
            .field("authorities", &self.authorities)
            .field("serving", &self.serving)
            .finish_non_exhaustive()
    }
}

/// Keys of the Secret, the names that every tool of the ecosystem uses.
pub const CA_CERTIFICATE: &str = "ca.crt";
/// Key of the newest authority.
pub const CA_KEY: &str = "ca.key";
/// Serving certificate.
pub const CERTIFICATE: &str = "tls.crt";
/// Serving key.
pub const KEY: &str = "tls.key";

impl Bundle {
    /// All authorities as one PEM text, for `caBundle`.
    #[must_use]
    pub fn ca_bundle(&self) -> String {
        self.authorities.concat()
    }

    /// As the entries of a Secret.
    #[must_use]
    pub fn to_entries(&self) -> BTreeMap<String, String> {
        let mut entries = BTreeMap::from([
            (CA_CERTIFICATE.to_owned(), self.ca_bundle()),
            (CERTIFICATE.to_owned(), self.serving.certificate.clone()),
            (KEY.to_owned(), self.serving.key.clone()),
        ]);
        if let Some(key) = &self.authority_key {
            entries.insert(CA_KEY.to_owned(), key.clone());
        }
        entries
    }

    /// From the entries of a Secret; `None` when one of the three that every reader needs is missing or no text.
    #[must_use]
    pub fn from_entries(mut take: impl FnMut(&str) -> Option<String>) -> Option<Self> {
        let authorities = split_pem(&take(CA_CERTIFICATE)?);
        Some(Self {
            authorities,
            authority_key: take(CA_KEY),
            serving: PemPair {
                certificate: take(CERTIFICATE)?,
                key: take(KEY)?,
            },
        })
    }
}

/// One PEM text per block.
fn split_pem(text: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(END) {
        let (block, after) = rest.split_at(at + END.len());
        blocks.push(format!("{}\n", block.trim_start()));
        rest = after;
    }
    blocks
}

/// What certificates should look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Names and addresses in the serving certificate.
    pub names: Vec<String>,
    /// Life of an authority.
    pub authority_lifetime: SignedDuration,
    /// Life of a serving certificate.
    pub serving_lifetime: SignedDuration,
    /// Time an authority stays in the bundle before it signs what is served.
    pub overlap: SignedDuration,
}

impl Profile {
    /// Two years for the authority, 90 days for the serving certificate, an hour of overlap: many times what the
    /// slowest API server needs to see a changed webhook configuration.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        Self {
            names,
            authority_lifetime: SignedDuration::from_hours(2 * 365 * 24),
            serving_lifetime: SignedDuration::from_hours(90 * 24),
            overlap: SignedDuration::from_hours(1),
        }
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// Issue everything anew; the cause is for the log.
    Replace(&'static str),
    /// Add a new authority to the bundle and go on serving the present certificate.
    AddAuthority,
    /// Issue a serving certificate from the newest authority.
    Renew(&'static str),
}

/// Decides.
#[must_use]
pub fn next(current: Option<&Bundle>, profile: &Profile, now: Timestamp) -> Step {
    let Some(current) = current else {
        return Step::Replace("there is none yet");
    };
    let Ok(serving) = material::facts("tls.crt", &current.serving.certificate) else {
        return Step::Replace("the present certificate cannot be read");
    };
    let Some(newest) = newest(current) else {
        return Step::Replace("the present authority cannot be read");
    };
    let issued_here = current.authorities.iter().any(|pem| {
        material::facts("ca.crt", pem).is_ok_and(|facts| facts.subject == serving.issuer)
    });
    if !issued_here {
        return Step::Replace("the present certificate is not signed by the present authority");
    }
    let can_sign = current.authority_key.is_some() && now < newest.not_after;
    let renew = |cause| {
        if can_sign {
            Step::Renew(cause)
        } else {
            Step::Replace(cause)
        }
    };
    if now >= serving.not_after {
        return renew("the present certificate has expired");
    }
    if profile
        .names
        .iter()
        .any(|name| !serving.names.contains(name))
    {
        return renew("the present certificate lacks a name");
    }
    if current.authority_key.is_some() && due(&newest, now) {
        return Step::AddAuthority;
    }
    let settled = now >= newest.not_before + BACKDATE + profile.overlap;
    let last_moment = now + profile.overlap >= serving.not_after;
    if due(&serving, now) && (settled || last_moment) {
        return renew("the present certificate ends soon");
    }
    if can_sign && settled && serving.issuer != newest.subject {
        return Step::Renew("there is a newer authority");
    }
    Step::Keep
}

/// Whether less than a third of the life is left.
fn due(facts: &Facts, now: Timestamp) -> bool {
    let life = facts.not_before.duration_until(facts.not_after);
    now.duration_until(facts.not_after) < life / 3
}

fn newest(bundle: &Bundle) -> Option<Facts> {
    bundle
        .authorities
        .first()
        .and_then(|pem| material::facts("ca.crt", pem).ok())
}

/// Performs `step`; [`Step::Keep`] gives what was there.
///
/// # Errors
/// A certificate could not be issued.
pub fn perform(
    step: &Step,
    current: Option<Bundle>,
    profile: &Profile,
    now: Timestamp,
) -> Result<Bundle, IssueError> {
    match (step, current) {
        (Step::Keep, Some(current)) => Ok(current),
        (Step::AddAuthority, Some(current)) => {
            let fresh = issue::authority(now, profile.authority_lifetime)?;
            Ok(Bundle {
                authorities: with_newest(fresh.certificate, &current.authorities, now),
                authority_key: Some(fresh.key),
                serving: current.serving,
            })
        }
        (Step::Renew(_), Some(current)) if current.authority_key.is_some() => {
            let authority = PemPair {
                certificate: current.authorities.first().cloned().unwrap_or_default(),
                key: current.authority_key.clone().unwrap_or_default(),
            };
            let serving =
                issue::serving(&authority, &profile.names, now, profile.serving_lifetime)?;
            Ok(Bundle { serving, ..current })
        }
        (_, current) => {
            let fresh = issue::authority(now, profile.authority_lifetime)?;
            let serving = issue::serving(&fresh, &profile.names, now, profile.serving_lifetime)?;
            // Other replicas may still serve what an older authority signed.
            let old = current.map(|bundle| bundle.authorities).unwrap_or_default();
            Ok(Bundle {
                authorities: with_newest(fresh.certificate, &old, now),
                authority_key: Some(fresh.key),
                serving,
            })
        }
    }
}

fn with_newest(newest: String, old: &[String], now: Timestamp) -> Vec<String> {
    let living = old
        .iter()
        .filter(|pem| material::facts("ca.crt", pem).is_ok_and(|facts| now < facts.not_after));
    std::iter::once(newest)
        .chain(living.cloned())
        .take(AUTHORITIES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["sandfence.fence.svc".to_owned(), "127.0.0.1".to_owned()]
    }

    fn start() -> Timestamp {
        "2026-11-22T10:00:00Z".parse().expect("time")
    }

    fn fresh(profile: &Profile, now: Timestamp) -> Bundle {
        perform(&Step::Replace("test"), None, profile, now).expect("issued")
    }

    fn days(count: i64) -> SignedDuration {
        SignedDuration::from_hours(24 * count)
    }

    #[test]
    fn the_certificate_says_what_the_profile_asked() {
        let profile = Profile::new(names());
        let bundle = fresh(&profile, start());
        let facts = material::facts("tls.crt", &bundle.serving.certificate).expect("facts");
        assert_eq!(facts.names, ["127.0.0.1", "sandfence.fence.svc"]);
        assert_eq!(facts.not_before, start() - BACKDATE);
        assert_eq!(facts.not_after, start() + days(90));
        assert_eq!(facts.common_name, "sandfence.fence.svc");
        let authority = material::facts("ca.crt", &bundle.ca_bundle()).expect("facts");
        assert_eq!(authority.not_after, start() + days(730));
        assert_eq!(facts.issuer, authority.subject);
    }

    #[test]
    fn nothing_there_and_broken_things_are_replaced() {
        let profile = Profile::new(names());
        assert_eq!(
            next(None, &profile, start()),
            Step::Replace("there is none yet")
        );
        let good = fresh(&profile, start());
        let mut broken = good.clone();
        broken.serving.certificate = "no PEM".to_owned();
        assert_eq!(
            next(Some(&broken), &profile, start()),
            Step::Replace("the present certificate cannot be read")
        );
        let mut stranger = good.clone();
        stranger.authorities = fresh(&profile, start() + days(1)).authorities;
        assert_eq!(
            next(Some(&stranger), &profile, start()),
            Step::Replace("the present certificate is not signed by the present authority")
        );
        assert_eq!(next(Some(&good), &profile, start()), Step::Keep);
    }

    #[test]
    fn renewal_comes_with_a_third_of_life_left_and_keeps_the_authority() {
        let profile = Profile::new(names());
        let bundle = fresh(&profile, start());
        assert_eq!(
            next(Some(&bundle), &profile, start() + days(59)),
            Step::Keep
        );
        let late = start() + days(61);
        let step = next(Some(&bundle), &profile, late);
        assert_eq!(step, Step::Renew("the present certificate ends soon"));
        let renewed = perform(&step, Some(bundle.clone()), &profile, late).expect("renewed");
        assert_eq!(renewed.authorities, bundle.authorities);
        assert_ne!(renewed.serving, bundle.serving);
        assert_eq!(next(Some(&renewed), &profile, late), Step::Keep);
    }

    #[test]
    fn a_new_name_and_expiry_renew_at_once() {
        let profile = Profile::new(names());
        let bundle = fresh(&profile, start());
        let mut wider = profile.clone();
        wider.names.push("other.fence.svc".to_owned());
        assert_eq!(
            next(Some(&bundle), &wider, start()),
            Step::Renew("the present certificate lacks a name")
        );
        assert_eq!(
            next(Some(&bundle), &profile, start() + days(91)),
            Step::Renew("the present certificate has expired")
        );
        let mut foreign = bundle;
        foreign.authority_key = None;
        assert_eq!(
            next(Some(&foreign), &profile, start() + days(91)),
            Step::Replace("the present certificate has expired")
        );
    }

    #[test]
    fn a_new_authority_is_announced_before_it_is_used_and_the_old_one_stays() {
        let mut profile = Profile::new(names());
        profile.serving_lifetime = days(600);
        let old = fresh(&profile, start());
        let late = start() + days(500);
        profile.serving_lifetime = days(90);
        let step = next(Some(&old), &profile, late);
        assert_eq!(step, Step::AddAuthority);
        let both = perform(&step, Some(old.clone()), &profile, late).expect("added");
        assert_eq!(both.serving, old.serving, "still the old certificate");
        assert_eq!(both.authorities.len(), 2);
        assert_eq!(both.authorities[1], old.authorities[0]);
        assert_eq!(next(Some(&both), &profile, late), Step::Keep);
        let settled = late + profile.overlap;
        let step = next(Some(&both), &profile, settled);
        assert_eq!(step, Step::Renew("the present certificate ends soon"));
        let moved = perform(&step, Some(both.clone()), &profile, settled).expect("moved");
        assert_eq!(moved.authorities, both.authorities);
        assert_eq!(
            material::facts("tls.crt", &moved.serving.certificate)
                .expect("facts")
                .issuer,
            material::facts("ca.crt", &moved.authorities[0])
                .expect("facts")
                .subject
        );
        assert_eq!(next(Some(&moved), &profile, settled), Step::Keep);
    }

    #[test]
    fn a_bundle_survives_the_way_through_a_secret() {
        let profile = Profile::new(names());
        let old = fresh(&profile, start());
        let bundle =
            perform(&Step::AddAuthority, Some(old), &profile, start() + days(1)).expect("added");
        let entries = bundle.to_entries();
        let read = Bundle::from_entries(|key| entries.get(key).cloned()).expect("complete");
        assert_eq!(read, bundle);
        assert_eq!(
            Bundle::from_entries(|key| (key != KEY).then(|| entries.get(key).cloned()).flatten()),
            None
        );
    }

    #[test]
    fn keys_do_not_show_in_debug_output() {
        let bundle = fresh(&Profile::new(names()), start());
        assert!(!format!("{bundle:?}").contains("PRIVATE KEY"));
    }
}
