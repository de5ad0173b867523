//! Which reads a caller may make. What of them it may see is judged where the organization and the SDDC are
//! known: what is not seen takes the way of what does not exist.

use super::routes::{ReadRoute, Verdict};
use crate::{
    access::Caller,
    problem::{Code, Problem},
};

/// Judges whether a caller may make a read at all.
pub(super) fn permit(route: &ReadRoute, caller: &Caller) -> Result<(), Problem> {
    let refused =
        |reason, sentence: String| Err(Problem::new(Code::Forbidden, sentence).with_reason(reason));
    let why = match route.verdict {
        Verdict::Pass => None,
        Verdict::Credentials => Some("its answer is a credential"),
        Verdict::SignedUrls => {
            Some("its answer holds signed URLs, which are as good as a credential")
        }
        Verdict::Starts => Some("VMware Cloud starts something when it is read"),
    };
    if let Some(why) = why {
        return refused("refused_read", format!("the gateway does not offer this read: {why}"));
    }
    if !caller.may_read(route.group) {
        let sentence = format!(
            "this caller may not make reads of the group {0}: ask the operator for {0} in the caller's drop_in",
            route.group
        );
        return refused("missing_read_group", sentence);
    }
    if caller.view().limits_sddcs() && !route.names_sddc() && !route.lists_sddcs() {
        let sentence = "this caller may see certain SDDCs only: it may read the list of SDDCs, and paths \
                        that name an SDDC";
        return refused("limited_to_sddcs", sentence.to_owned());
    }
    Ok(())
}

/// Why callers are refused here: metric labels.
pub const REASONS: [&str; 3] = ["refused_read", "missing_read_group", "limited_to_sddcs"];
