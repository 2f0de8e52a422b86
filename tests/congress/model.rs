//! The record of the data set, as a program that keeps it would write it down.
//!
//! Every field is optional where the data has it so, and where it has nulls beside absent
//! fields, `Option<Option<_>>` tells the two apart.

use auditlog::Auditable;
use serde::{Deserialize, Deserializer, Serialize};

/// A member of Congress.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[audit(repr = "{key}")]
pub struct Legislator {
    /// The record's key, which is no part of the record.
    #[serde(skip)]
    #[audit(id, skip = false)]
    pub key: String,
    pub id: Ids,
    pub name: Name,
    pub bio: Bio,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_names: Option<Vec<OtherName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leadership_roles: Option<Vec<LeadershipRole>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Vec<Relative>>,
    #[audit(key = "start")]
    pub terms: Vec<Term>,
}

/// The member's ids in other data sets.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ballotpedia: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bioguide: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cspan: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fec: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fec_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_entity_id: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub govtrack: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub house_history: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub icpsr: Option<Option<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lis: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub maplight: Option<Option<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opensecrets: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictorial: Option<i64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub thomas: Option<Option<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub votesmart: Option<Option<i64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub washington_post: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub wikidata: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wikipedia: Option<String>,
}

/// What the member is called.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub first: String,
    pub last: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub middle: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub official_full: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thomas: Option<String>,
}

/// Dates are texts `YYYY-MM-DD`, as in the data.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bio {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birthday: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub religion: Option<String>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherName {
    pub last: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadershipRole {
    pub title: String,
    pub chamber: String,
    pub start: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relative {
    pub name: String,
    pub relation: String,
}

/// A term of office.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    pub r#type: String,
    pub start: String,
    pub end: String,
    #[serde(rename = "end-type", default, skip_serializing_if = "Option::is_none")]
    pub end_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_rank: Option<String>,
    pub party: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caucus: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party_affiliations: Option<Vec<PartyAffiliation>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub url: Option<Option<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub address: Option<Option<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub phone: Option<Option<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub fax: Option<Option<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub office: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_form: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_url: Option<String>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartyAffiliation {
    pub start: String,
    pub end: String,
    pub party: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caucus: Option<String>,
}

/// Reads a field that is there, so that a null is not taken for absence.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
