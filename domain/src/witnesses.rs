//! Which node of another subcluster is the witness of a pair: chosen by the cluster from what it
//! knows of its nodes (decision 0058). Not for how a witness is moved.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{NodeId, SubclusterId};

/// A node that serves users and was not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub node: NodeId,
    pub subcluster: SubclusterId,
    /// Where it stands; none: nobody has said.
    pub site: Option<&'a str>,
    /// It is being emptied: it takes no new duty.
    pub is_drained: bool,
}

/// A subcluster, as far as its witness goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ward {
    pub subcluster: SubclusterId,
    /// It has a witness process of its own.
    pub has_process: bool,
    pub witness: Option<NodeId>,
    /// An operator has chosen that one.
    pub is_pinned: bool,
}

/// That a subcluster is to have another witness, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    pub subcluster: SubclusterId,
    pub witness: Option<NodeId>,
}

/// Why a node cannot be the witness of a subcluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("there is no node {0} that serves users; `pollux ctl cluster nodes` lists them")]
    NoSuchNode(NodeId),
    #[error(
        "node {0} is of subcluster {1} itself: a pair and its witness are three different nodes; \
         choose a node of another subcluster"
    )]
    Own(NodeId, SubclusterId),
    #[error(
        "node {0} is drained: take that back with `pollux ctl node undrain {0}`, or choose another"
    )]
    Drained(NodeId),
    #[error("subcluster {0} is not a pair: invite its second node first")]
    NoPair(SubclusterId),
    #[error(
        "subcluster {0} has a witness process of its own: remove that first with `pollux ctl \
         cluster remove`, and a node takes its place"
    )]
    HasProcess(SubclusterId),
}

/// How much a place leaves when a site is lost; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Another site than both nodes of the pair.
    Apart,
    /// Nobody has said where somebody stands.
    Unknown,
    /// The site of one of them: the other is left when it is lost.
    WithOne,
    WithBoth,
}

fn rank(place: &Place<'_>, pair: &[&Place<'_>]) -> Rank {
    let same = pair
        .iter()
        .filter(|node| node.site.is_some() && node.site == place.site);
    match same.count() {
        0 if place.site.is_some() && pair.iter().all(|node| node.site.is_some()) => Rank::Apart,
        0 => Rank::Unknown,
        1 => Rank::WithOne,
        _ => Rank::WithBoth,
    }
}

/// Whether a node may be the witness of a subcluster.
pub fn check(places: &[Place<'_>], ward: &Ward, node: NodeId) -> Result<(), Unfit> {
    let own = places
        .iter()
        .filter(|place| place.subcluster == ward.subcluster);
    if own.count() < 2 {
        return Err(Unfit::NoPair(ward.subcluster));
    }
    if ward.has_process {
        return Err(Unfit::HasProcess(ward.subcluster));
    }
    let place = places.iter().find(|place| place.node == node);
    match place {
        None => Err(Unfit::NoSuchNode(node)),
        Some(place) if place.subcluster == ward.subcluster => {
            Err(Unfit::Own(node, ward.subcluster))
        }
        Some(place) if place.is_drained => Err(Unfit::Drained(node)),
        Some(_) => Ok(()),
    }
}

/// What is to change. A witness that is as good as any is left where it is: a move costs a snapshot
/// and gains nothing. One is moved only to a node that can be reached now.
pub fn choose(places: &[Place<'_>], wards: &[Ward], reachable: &BTreeSet<NodeId>) -> Vec<Choice> {
    let mut loads: BTreeMap<NodeId, usize> = BTreeMap::new();
    for witness in wards.iter().filter_map(|ward| ward.witness) {
        *loads.entry(witness).or_default() += 1;
    }
    let mut choices = Vec::new();
    for ward in wards {
        let witness = next(places, ward, reachable, &loads);
        if witness == ward.witness {
            continue;
        }
        if let Some(load) = ward.witness.and_then(|old| loads.get_mut(&old)) {
            *load -= 1;
        }
        if let Some(new) = witness {
            *loads.entry(new).or_default() += 1;
        }
        choices.push(Choice {
            subcluster: ward.subcluster,
            witness,
        });
    }
    choices
}

fn next(
    places: &[Place<'_>],
    ward: &Ward,
    reachable: &BTreeSet<NodeId>,
    loads: &BTreeMap<NodeId, usize>,
) -> Option<NodeId> {
    let (pair, others): (Vec<&Place<'_>>, Vec<&Place<'_>>) = places
        .iter()
        .partition(|place| place.subcluster == ward.subcluster);
    if pair.len() < 2 || ward.has_process {
        return None;
    }
    let present = others
        .iter()
        .find(|place| Some(place.node) == ward.witness)
        .copied();
    let load = |place: &Place<'_>| {
        let load = loads.get(&place.node).copied().unwrap_or_default();
        load - usize::from(Some(place.node) == ward.witness)
    };
    let could = others
        .iter()
        .filter(|place| !place.is_drained && reachable.contains(&place.node));
    let best = could.min_by_key(|place| (rank(place, &pair), load(place), place.node));
    let (Some(best), Some(present)) = (best, present) else {
        // Nobody else can be it: one that is only drained is better than none.
        return best.or(present.as_ref()).map(|place| place.node);
    };
    let is_good = ward.is_pinned || rank(present, &pair) <= rank(best, &pair);
    match is_good && !present.is_drained {
        true => Some(present.node),
        false => Some(best.node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two letters for each pair: where its nodes stand; `-`: nobody has said.
    fn places(pairs: &[&'static str]) -> Vec<Place<'static>> {
        let mut places = Vec::new();
        for (index, pair) in pairs.iter().enumerate() {
            for (half, site) in pair.split("").filter(|site| !site.is_empty()).enumerate() {
                places.push(Place {
                    node: NodeId((2 * index + half + 1) as u16),
                    subcluster: SubclusterId(index as u16 + 1),
                    site: Some(site).filter(|site| *site != "-"),
                    is_drained: false,
                });
            }
        }
        places
    }

    /// The present witness of each; 0: none.
    fn wards(witnesses: &[u16]) -> Vec<Ward> {
        let ward = |(index, witness): (usize, &u16)| Ward {
            subcluster: SubclusterId(index as u16 + 1),
            has_process: false,
            witness: Some(NodeId(*witness)).filter(|node| node.0 != 0),
            is_pinned: false,
        };
        witnesses.iter().enumerate().map(ward).collect()
    }

    /// The witness of each after it, and that nothing changes then.
    #[track_caller]
    fn settle(places: &[Place<'_>], wards: &mut [Ward], away: &[u16]) -> Vec<u16> {
        let all = places.iter().map(|place| place.node);
        let reachable = all.filter(|node| !away.contains(&node.0)).collect();
        for choice in choose(places, wards, &reachable) {
            let mut known = wards.iter_mut();
            let ward = known.find(|ward| ward.subcluster == choice.subcluster);
            ward.unwrap().witness = choice.witness;
        }
        assert_eq!(choose(places, wards, &reachable), [], "it is stable");
        let witness = |ward: &Ward| ward.witness.map_or(0, |node| node.0);
        wards.iter().map(witness).collect()
    }

    #[track_caller]
    fn check_choice(pairs: &[&'static str], before: &[u16], after: &[u16]) {
        let places = places(pairs);
        assert_eq!(
            settle(&places, &mut wards(before), &[]),
            after,
            "{pairs:?} {before:?}"
        );
    }

    #[test]
    fn three_pairs_without_sites_share_the_work() {
        check_choice(&["--", "--", "--"], &[0, 0, 0], &[3, 1, 2]);
    }

    #[test]
    fn another_site_than_both_nodes_where_there_is_one() {
        check_choice(&["nn", "ss", "ee"], &[0, 0, 0], &[3, 1, 2]);
        check_choice(&["ns", "se", "en"], &[0, 0, 0], &[4, 1, 2]);
        check_choice(&["ns", "ns", "ne"], &[0, 0, 0], &[6, 6, 2]);
    }

    #[test]
    fn else_the_site_that_leaves_most_and_the_least_loaded() {
        // Both in the north: a site of their own is nowhere, and no site is better than theirs.
        check_choice(&["nn", "n-"], &[0, 0], &[4, 1]);
        // One in each: either site leaves one of them; nobody has more than one duty.
        check_choice(&["ns", "nn", "ns"], &[0, 0, 0], &[3, 2, 1]);
    }

    #[test]
    fn a_lone_node_and_a_lone_pair_have_none() {
        check_choice(&["--"], &[0], &[0]);
        check_choice(&["-", "-"], &[0, 0], &[0, 0]);
        check_choice(&["--", "-"], &[0, 0], &[3, 0]);
        // The twin was removed: two voters would stand less than one.
        check_choice(&["-", "--"], &[3, 0], &[0, 1]);
    }

    #[test]
    fn one_that_is_good_stays_and_one_that_is_not_moves() {
        check_choice(&["--", "--", "--"], &[4, 1, 1], &[4, 1, 1]);
        check_choice(&["ns", "ee", "nn"], &[5, 1, 3], &[4, 1, 3]);
        // Its node was removed.
        check_choice(&["--", "--"], &[9, 1], &[3, 1]);
    }

    #[test]
    fn a_pinned_one_stays_while_it_can() {
        let mut places = places(&["ns", "ee", "nn"]);
        let mut wards = wards(&[5, 1, 3]);
        wards[0].is_pinned = true;
        assert_eq!(settle(&places, &mut wards, &[]), [5, 1, 3]);
        places[4].is_drained = true;
        assert_eq!(settle(&places, &mut wards, &[]), [4, 1, 3]);
    }

    #[test]
    fn a_drained_node_takes_no_duty_and_gives_up_those_that_others_can_have() {
        let mut places = places(&["--", "--"]);
        places[2].is_drained = true;
        assert_eq!(settle(&places, &mut wards(&[3, 1]), &[]), [4, 1]);
        places[3].is_drained = true;
        assert_eq!(settle(&places, &mut wards(&[3, 1]), &[]), [3, 1]);
        assert_eq!(settle(&places, &mut wards(&[0, 1]), &[]), [0, 1]);
    }

    #[test]
    fn one_that_is_away_stays_and_none_is_moved_to_one_that_is() {
        let places = places(&["--", "--"]);
        assert_eq!(settle(&places, &mut wards(&[3, 1]), &[3]), [3, 1]);
        assert_eq!(settle(&places, &mut wards(&[0, 1]), &[3]), [4, 1]);
        assert_eq!(settle(&places, &mut wards(&[0, 1]), &[3, 4]), [0, 1]);
    }

    #[test]
    fn a_witness_process_takes_the_place_of_a_node() {
        let mut wards = wards(&[3, 1]);
        wards[0].has_process = true;
        assert_eq!(settle(&places(&["--", "--"]), &mut wards, &[]), [0, 1]);
    }

    #[test]
    fn who_cannot_be_it_is_told_why() {
        let mut places = places(&["--", "--", "-"]);
        places[3].is_drained = true;
        let mut wards = wards(&[3, 1, 0]);
        let said = |ward: &Ward, node| {
            let checked = check(&places, ward, NodeId(node));
            checked.err().map(|unfit| unfit.to_string())
        };
        let contains = |said: Option<String>, part: &str| {
            let said = said.unwrap_or_default();
            assert!(said.contains(part), "{said}");
        };
        assert_eq!(said(&wards[0], 3), None);
        contains(said(&wards[0], 2), "of subcluster 1 itself");
        contains(said(&wards[0], 9), "no node 9");
        contains(said(&wards[0], 4), "undrain 4");
        contains(said(&wards[2], 1), "is not a pair");
        wards[0].has_process = true;
        contains(said(&wards[0], 3), "witness process of its own");
    }
}
