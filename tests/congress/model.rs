//! The record of the data set, as a program that keeps it would write it down.
//!
//! Every field is optional where the data has it so, and where it has nulls beside absent
//! fields, `Option<Option<_>>` tells the two apart.

#![expect(clippy::option_option, reason = "absent, null and value differ")]

use auditlog::Auditable;
use serde::{Deserialize, Deserializer, Serialize};

/// A member of Congress.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[audit(repr = "{key}")]
pub(crate) struct Legislator {
    /// The record's key, which is no part of the record.
    #[serde(skip)]
    #[audit(id, skip = false)]
    pub(crate) key: String,
    pub(crate) id: Ids,
    pub(crate) name: Name,
    pub(crate) bio: Bio,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) other_names: Option<Vec<OtherName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) leadership_roles: Option<Vec<LeadershipRole>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<Vec<Relative>>,
    #[audit(key = "start")]
    pub(crate) terms: Vec<Term>,
}

/// The member's ids in other data sets.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ids {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ballotpedia: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bioguide: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cspan: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fec: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fec_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) google_entity_id: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) govtrack: Option<Option<i64>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) house_history: Option<Option<i64>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) icpsr: Option<Option<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lis: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) maplight: Option<Option<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) opensecrets: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pictorial: Option<i64>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) thomas: Option<Option<String>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) votesmart: Option<Option<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) washington_post: Option<String>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) wikidata: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wikipedia: Option<String>,
}

/// What the member is called.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Name {
    pub(crate) first: String,
    pub(crate) last: String,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) middle: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) official_full: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) suffix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thomas: Option<String>,
}

/// Dates are texts `YYYY-MM-DD`, as in the data.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bio {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) birthday: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gender: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) religion: Option<String>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OtherName {
    pub(crate) last: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<String>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeadershipRole {
    pub(crate) title: String,
    pub(crate) chamber: String,
    pub(crate) start: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<String>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relative {
    pub(crate) name: String,
    pub(crate) relation: String,
}

/// A term of office.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Term {
    pub(crate) r#type: String,
    pub(crate) start: String,
    pub(crate) end: String,
    #[serde(rename = "end-type", default, skip_serializing_if = "Option::is_none")]
    pub(crate) end_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) how: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) district: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state_rank: Option<String>,
    pub(crate) party: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) caucus: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) party_affiliations: Option<Vec<PartyAffiliation>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) url: Option<Option<String>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) address: Option<Option<String>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) phone: Option<Option<String>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) fax: Option<Option<String>>,
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) office: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contact_form: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rss_url: Option<String>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartyAffiliation {
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) party: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) caucus: Option<String>,
}

/// Reads a field that is there, so that a null is not taken for absence.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
