//! Draws the diagrams of `docs/`: `entry.svg` is made from the text `entry.txt`.
//!
//! Rows that begin with `|` are a grid of boxes; a box in several rows of a column spans them. The line
//! `box: text` adds a second line to a box, `box -> box: text` is an arrow, and `kind = box, box` gives
//! boxes the colour of a kind. Of the other lines, the first is the title, and the rest describes the diagram
//! for readers who cannot see it.

use std::fmt::Write as _;
use std::fs;

use crate::picture;

/// The distance of the boxes from the border.
const MARGIN: usize = 20;
const BOX_HEIGHT: usize = 50;
const MIN_BOX_WIDTH: usize = 92;
/// The distance of a box from the one below.
const ROW_GAP: usize = 34;
/// The distance of two columns without a labelled arrow between them.
const COLUMN_GAP: usize = 36;
/// The distance of a box from the vertical part of an arrow that leaves it.
const BEND: usize = 16;
const RADIUS: usize = 6;
const LEGEND_HEIGHT: usize = 44;

/// The kinds have these classes, in the order of the text.
const CLASSES: [&str; 4] = ["one", "two", "three", "four"];

const STYLE: &str = "
    text { font: 600 13px -apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif;
           fill: #1f2328; }
    .small { font-weight: 400; font-size: 11px; fill: #59636e; }
    .label { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace; fill: #59636e; }
    .middle { text-anchor: middle; }
    .page { fill: #ffffff; stroke: #d1d9e0; }
    .arrow { fill: none; stroke: #818b98; stroke-width: 1.5; }
    .head { fill: #818b98; }
    .one { fill: #f6f8fa; stroke: #818b98; }
    .two { fill: #ddf4ff; stroke: #0969da; }
    .three { fill: #dafbe1; stroke: #1a7f37; }
    .four { fill: #fbefff; stroke: #8250df; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .small, .label { fill: #9198a1; }
      .page { fill: #0d1117; stroke: #3d444d; }
      .arrow { stroke: #9198a1; }
      .head { fill: #9198a1; }
      .one { fill: #151b23; stroke: #656c76; }
      .two { fill: #121d2f; stroke: #4493f8; }
      .three { fill: #12261e; stroke: #3fb950; }
      .four { fill: #211a33; stroke: #ab7df8; }
    }
";

/// A box of the grid.
struct Node {
    name: String,
    caption: String,
    class: &'static str,
    column: usize,
    first_row: usize,
    last_row: usize,
}

struct Arrow {
    from: usize,
    to: usize,
    label: String,
}

/// A diagram as its text describes it.
#[derive(Default)]
struct Diagram {
    title: String,
    description: String,
    nodes: Vec<Node>,
    arrows: Vec<Arrow>,
    kinds: Vec<String>,
}

impl Diagram {
    fn parse(text: &str) -> Self {
        let mut diagram = Self::default();
        let mut rows = 0;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(row) = line.strip_prefix('|') {
                diagram.add_row(rows, row);
                rows += 1;
            } else if let Some((from, to)) = line.split_once(" -> ") {
                let (to, label) = to.split_once(": ").unwrap_or((to, ""));
                let (from, to) = (diagram.find(from), diagram.find(to));
                let label = label.to_owned();
                diagram.arrows.push(Arrow { from, to, label });
            } else if let Some((kind, names)) = line.split_once(" = ") {
                let class = CLASSES[diagram.kinds.len()];
                for name in names.split(", ") {
                    let node = diagram.find(name);
                    diagram.nodes[node].class = class;
                }
                diagram.kinds.push(kind.to_owned());
            } else if let (Some((name, caption)), true) = (line.split_once(": "), rows > 0) {
                let node = diagram.find(name);
                caption.clone_into(&mut diagram.nodes[node].caption);
            } else if diagram.title.is_empty() {
                line.clone_into(&mut diagram.title);
            } else {
                diagram.description.push_str(line);
                diagram.description.push(' ');
            }
        }
        diagram
    }

    fn add_row(&mut self, row: usize, cells: &str) {
        for (column, name) in cells.split('|').map(str::trim).enumerate() {
            if name.is_empty() {
                continue;
            }
            match self.nodes.iter_mut().find(|node| node.name == name) {
                Some(node) => {
                    assert_eq!((node.column, node.last_row + 1), (column, row), "{name}");
                    node.last_row = row;
                }
                None => self.nodes.push(Node {
                    name: name.to_owned(),
                    caption: String::new(),
                    class: CLASSES[0],
                    column,
                    first_row: row,
                    last_row: row,
                }),
            }
        }
    }

    fn find(&self, name: &str) -> usize {
        let found = self.nodes.iter().position(|node| node.name == name);
        found.unwrap_or_else(|| panic!("the grid has no box `{name}`"))
    }

    /// Returns the left edge and the width of each column, and the width of all.
    fn columns(&self) -> (Vec<(usize, usize)>, usize) {
        let count = self.nodes.iter().map(|node| node.column + 1).max();
        let mut columns = Vec::new();
        let mut left = MARGIN;
        for column in 0..count.expect("a box") {
            let nodes = self.nodes.iter().filter(|node| node.column == column);
            let width = nodes.map(Node::min_width).max().unwrap_or(MIN_BOX_WIDTH);
            columns.push((left, width));
            let labels = self
                .arrows
                .iter()
                .filter(|arrow| self.nodes[arrow.from].column == column && !arrow.label.is_empty());
            let gap = labels.map(|arrow| BEND + 8 + label_width(&arrow.label) + 14);
            left += width + gap.max().unwrap_or(COLUMN_GAP);
        }
        let (last, width) = columns[columns.len() - 1];
        (columns, last + width + MARGIN)
    }

    fn draw(&self) -> String {
        let (columns, width) = self.columns();
        let rows = self.nodes.iter().map(|node| node.last_row + 1).max();
        let legend_top = top(rows.expect("a box"));
        let height = legend_top + LEGEND_HEIGHT - ROW_GAP / 2;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title\" \
             aria-describedby=\"description\">\n  <title id=\"title\">{}</title>\n  \
             <desc id=\"description\">{}</desc>\n  <style>{STYLE}  </style>\n  \
             <defs>\n    <marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
             markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
             <path class=\"head\" d=\"M0 0L8 4L0 8Z\"/></marker>\n  </defs>\n  \
             <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
            escaped(&self.title),
            escaped(self.description.trim()),
            width - 1,
            height - 1,
        );
        for arrow in &self.arrows {
            self.draw_arrow(arrow, &columns, &mut svg);
        }
        for node in &self.nodes {
            node.draw(columns[node.column], &mut svg);
        }
        self.draw_legend(legend_top, &mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_arrow(&self, arrow: &Arrow, columns: &[(usize, usize)], svg: &mut String) {
        let (from, to) = (&self.nodes[arrow.from], &self.nodes[arrow.to]);
        let (left, width) = columns[from.column];
        let (start, end) = (left + width, columns[to.column].0);
        let path = if from.column == to.column {
            let x = left + width / 2;
            if from.last_row < to.first_row {
                format!("M{x} {}V{}", bottom(from.last_row), top(to.first_row))
            } else {
                format!("M{x} {}V{}", top(from.first_row), bottom(to.last_row))
            }
        } else {
            let start_row = from.nearest_row(to.first_row);
            let end_row = to.nearest_row(start_row);
            let (start_y, end_y) = (middle(start_row), middle(end_row));
            if !arrow.label.is_empty() {
                let (x, y) = (start + BEND + 8, end_y - 6);
                let label = escaped(&arrow.label);
                writeln!(
                    svg,
                    "  <text class=\"label\" x=\"{x}\" y=\"{y}\">{label}</text>"
                )
                .expect("written");
            }
            if start_y == end_y {
                format!("M{start} {start_y}H{end}")
            } else {
                let x = start + BEND;
                let (before, after) = if end_y > start_y {
                    (start_y + RADIUS, end_y - RADIUS)
                } else {
                    (start_y - RADIUS, end_y + RADIUS)
                };
                format!(
                    "M{start} {start_y}H{}Q{x} {start_y} {x} {before}V{after}Q{x} {end_y} {} {end_y}H{end}",
                    x - RADIUS,
                    x + RADIUS,
                )
            }
        };
        writeln!(
            svg,
            "  <path class=\"arrow\" marker-end=\"url(#head)\" d=\"{path}\"/>"
        )
        .expect("written");
    }

    fn draw_legend(&self, top: usize, svg: &mut String) {
        let mut x = MARGIN;
        for (kind, class) in self.kinds.iter().zip(CLASSES) {
            writeln!(
                svg,
                "  <rect class=\"{class}\" x=\"{x}.5\" y=\"{top}.5\" width=\"11\" height=\"11\" rx=\"3\"/>\n  \
                 <text class=\"small\" x=\"{}\" y=\"{}\">{}</text>",
                x + 18,
                top + 10,
                escaped(kind),
            )
            .expect("written");
            x += 18 + small_width(kind) + 24;
        }
    }
}

impl Node {
    fn min_width(&self) -> usize {
        let text = (self.name.chars().count() * 8).max(small_width(&self.caption));
        (text + 20).max(MIN_BOX_WIDTH)
    }

    /// Returns the row of this box that is nearest to a row.
    fn nearest_row(&self, row: usize) -> usize {
        row.clamp(self.first_row, self.last_row)
    }

    fn draw(&self, (left, width): (usize, usize), svg: &mut String) {
        let (top, bottom) = (top(self.first_row), bottom(self.last_row));
        let (x, y) = (left + width / 2, usize::midpoint(top, bottom));
        writeln!(
            svg,
            "  <rect class=\"{}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{}\" rx=\"6\"/>\n  \
             <text class=\"middle\" x=\"{x}\" y=\"{}\">{}</text>\n  \
             <text class=\"middle small\" x=\"{x}\" y=\"{}\">{}</text>",
            self.class,
            bottom - top,
            y - 3,
            escaped(&self.name),
            y + 14,
            escaped(&self.caption),
        )
        .expect("written");
    }
}

fn top(row: usize) -> usize {
    MARGIN + row * (BOX_HEIGHT + ROW_GAP)
}

fn bottom(row: usize) -> usize {
    top(row) + BOX_HEIGHT
}

fn middle(row: usize) -> usize {
    top(row) + BOX_HEIGHT / 2
}

/// Returns an upper limit of the width of a text in small letters.
fn small_width(text: &str) -> usize {
    text.chars().count() * 6
}

fn label_width(text: &str) -> usize {
    text.chars().count() * 7
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[test]
fn the_diagram_of_an_entry_is_that_of_its_text() {
    let docs = crate::root().join("docs");
    let text = fs::read_to_string(docs.join("entry.txt")).expect("UTF-8");
    picture::check(&docs.join("entry.svg"), &Diagram::parse(&text).draw());
}
