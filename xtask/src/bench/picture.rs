//! One figure as bars, in SVG: the median as a bar, least and most as a line across its end. The
//! same figure always makes the same bytes; nothing is loaded from anywhere.

use std::fmt::Write;

use super::figures::{Row, spread};

const WIDTH: f64 = 720.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 130.0;
const LONGEST: f64 = 400.0;
const TOP: f64 = 40.0;
const STEP: f64 = 28.0;
const THICK: f64 = 18.0;
/// Colours that keep apart for people who see few, on light and on dark.
const COLOURS: [(&str, &str); 3] = [
    ("peer", "#8a8f98"),
    ("pollux", "#d9822b"),
    ("ceiling", "#4c8dc9"),
];

pub fn bars(row: &Row) -> String {
    let height = TOP + STEP * row.cells.len() as f64 + 12.0;
    let title = escape(&format!("{}, {}", row.what, row.unit));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" \
         role=\"img\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>{title}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-weight=\"bold\">{title}</text>\n"
    );
    let most = row.cells.iter().map(|cell| cell.max).fold(0.0, f64::max);
    let scale = if most > 0.0 { LONGEST / most } else { 0.0 };
    for (index, cell) in row.cells.iter().enumerate() {
        let colour = COLOURS.iter().find(|(rank, _)| *rank == cell.rank);
        let colour = colour.map_or("#000000", |(_, colour)| colour);
        let top = TOP + STEP * index as f64;
        let (middle, base) = (top + THICK / 2.0, top + THICK - 4.5);
        let at = |value: f64| LEFT + value * scale;
        let (median, min, max) = (at(cell.median), at(cell.min), at(cell.max));
        // A bar is drawn into memory: this cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{name}</text>\n\
             <rect x=\"{LEFT:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{THICK:.0}\" \
             fill=\"{colour}\"/>\n\
             <path d=\"M{min:.1} {middle:.1}H{max:.1}\" stroke=\"#222222\" stroke-width=\"1.5\"/>\n\
             <text x=\"{end:.1}\" y=\"{base:.1}\">{value}</text>",
            x = LEFT - 8.0,
            name = escape(&cell.name),
            width = median - LEFT,
            end = max + 8.0,
            value = spread(cell),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
