//! Aligned columns for people. Not for programs: they take JSON.

/// A head and rows in columns as wide as their widest cell, two spaces apart. Control characters,
/// which a foreign name could carry to a terminal, are shown as `·`.
pub fn render(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|cell| (*cell).to_owned()).collect()];
    lines.extend(rows);
    for cell in lines.iter_mut().flatten() {
        *cell = cell
            .chars()
            .map(|c| if c.is_control() { '·' } else { c })
            .collect();
    }
    let mut widths = vec![0; head.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for (width, cell) in widths.iter().zip(line) {
            row.push_str(cell);
            row.push_str(&" ".repeat(width + 2 - cell.chars().count()));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_space() {
        let rows = vec![
            vec!["jürgen".into(), "1".into()],
            vec!["a\u{1b}[31m".into(), "22".into()],
        ];
        assert_eq!(
            render(&["USER", "N"], rows),
            "USER    N\njürgen  1\na·[31m  22\n"
        );
        assert_eq!(render(&["USER", "N"], vec![]), "USER  N\n");
    }
}
