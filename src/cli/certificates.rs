//! How `pollux ctl cluster certificates` looks. Pure text.

use pollux_domain::figures::lasting;
use pollux_domain::operations::CertificatesStatus;

use super::table::render;

/// Of a fingerprint: enough to tell two of them apart.
const SHOWN: usize = 16;

pub fn text(status: &CertificatesStatus) -> String {
    let mut text = format!(
        "authority {} since {}: {}\n",
        short(&status.authority),
        status.authority_since,
        status.phase
    );
    if let Some(next) = &status.next_authority {
        text.push_str(&format!("next authority {}\n", short(next)));
    }
    if !status.waits_for.is_empty() {
        let nodes: Vec<String> = status.waits_for.iter().map(u16::to_string).collect();
        text.push_str(&format!(
            "it waits for: {}. A node that does not come back is removed: `pollux ctl cluster \
             remove NUMBER`\n",
            nodes.join(", ")
        ));
    }
    let rows = status.nodes.iter().map(|row| {
        let certificate = row.certificate.as_deref().map_or("-", short);
        let authority = row.authority.as_deref().map_or("-", short);
        vec![
            row.node.to_string(),
            row.name.clone(),
            certificate.to_owned(),
            authority.to_owned(),
            row.age_seconds.map_or("-".to_owned(), lasting),
            row.state.clone(),
        ]
    });
    let head = ["NODE", "NAME", "CERTIFICATE", "BY", "AGE", "STATE"];
    format!("{text}\n{}", render(&head, rows.collect()))
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..SHOWN).unwrap_or(fingerprint)
}

#[cfg(test)]
mod tests {
    use pollux_domain::operations::CertificateRow;

    use super::*;

    #[test]
    fn a_rotation_says_for_whom_it_waits() {
        let row = |node: u16, name: &str, certificate: Option<&str>, state: &str| CertificateRow {
            node,
            name: name.to_owned(),
            certificate: certificate.map(|digit| digit.repeat(64)),
            authority: certificate.map(|_| "a".repeat(64)),
            since: certificate.map(|_| "2026-11-29T12:00:00Z".to_owned()),
            age_seconds: certificate.map(|_| 7_200),
            state: state.to_owned(),
        };
        let mut status = CertificatesStatus {
            phase: "the next authority is made known".to_owned(),
            authority: "a".repeat(64),
            authority_since: "2026-11-29T12:00:00Z".to_owned(),
            next_authority: Some("b".repeat(64)),
            waits_for: vec![2],
            nodes: vec![
                row(1, "castor", Some("1"), "believes the next authority"),
                row(2, "pollux", None, "has said nothing"),
            ],
        };
        let expected = "\
authority aaaaaaaaaaaaaaaa since 2026-11-29T12:00:00Z: the next authority is made known
next authority bbbbbbbbbbbbbbbb
it waits for: 2. A node that does not come back is removed: `pollux ctl cluster remove NUMBER`

NODE  NAME    CERTIFICATE       BY                AGE        STATE
1     castor  1111111111111111  aaaaaaaaaaaaaaaa  2 h 0 min  believes the next authority
2     pollux  -                 -                 -          has said nothing
";
        assert_eq!(text(&status), expected);
        status.next_authority = None;
        status.waits_for.clear();
        let settled = text(&status);
        assert!(!settled.contains("waits for"), "{settled}");
    }
}
