//! `gristmill members`: who belongs to a group of coordinators, and changes of that.

use anyhow::anyhow;
use gristmill_model::MembersStatus;
use serde_json::{Value, json};

use crate::arguments::MembersArguments;
use crate::failure::{Failure, Outcome};
use crate::inspect::{call_failed, client};
use crate::output;
use crate::render;

/// Lists the members, after a change if there is one.
pub(crate) async fn members(arguments: MembersArguments) -> Outcome {
    let (change, ask) =
        arguments.into_parts().ok_or_else(|| Failure::usage(anyhow!("no coordinator is named")))?;
    let client = client(&ask.coordinator)?;
    let status = match &change {
        Some(change) => client.change_members(change).await,
        None => client.members().await,
    };
    output::result(&shown(&status.map_err(call_failed)?, ask.json))
}

fn shown(status: &MembersStatus, as_json: bool) -> String {
    let listed = status.members.iter().map(|member| render::member(member, status.leader));
    if !as_json {
        return listed.map(|one| one.text).collect();
    }
    let members: Vec<Value> = listed.map(|one| one.json).collect();
    render::json(&json!({ "leader": status.leader, "members": members }))
}
