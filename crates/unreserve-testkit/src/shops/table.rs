//! Tables and values as data.

/// A table of a test shop.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The columns of its key.
    pub key: Vec<&'static str>,
    /// Its foreign keys.
    pub references: Vec<Reference>,
    /// Its check constraints, in SQL that every database reads.
    pub checks: Vec<&'static str>,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether it may be NULL.
    pub nullable: bool,
}

impl Column {
    /// A column that cannot be NULL.
    #[must_use]
    pub const fn new(name: &'static str, kind: ColumnKind) -> Self {
        Self { name, kind, nullable: false }
    }

    /// A column that may be NULL.
    #[must_use]
    pub const fn nullable(name: &'static str, kind: ColumnKind) -> Self {
        Self { name, kind, nullable: true }
    }
}

/// What a column holds; each database has its own type for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    BigInteger,
    /// A decimal number with so many digits, so many of them behind the point.
    Decimal(u8, u8),
    /// A text of at most so many letters.
    Varchar(u16),
    /// True or false.
    Boolean,
    /// A UUID.
    Uuid,
    /// An instant.
    Instant,
    /// A date and time without a zone.
    DateTime,
}

/// A foreign key of one column.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    /// The column.
    pub column: &'static str,
    /// The table it points at.
    pub table: &'static str,
    /// The column it points at.
    pub to: &'static str,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A decimal number, as it is written.
    Decimal(String),
    /// A text, or a UUID.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// The database's now plus so many seconds.
    FromNow(i64),
}

impl Cell {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// Columns with their values.
pub type Row<'a> = &'a [(&'a str, Cell)];

/// An identifier in double quotes, as most databases take it.
pub(super) fn double_quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text literal.
pub(super) fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The statements on tables and rows, in a database's own way of writing.
pub(super) struct Statements {
    /// How it quotes an identifier.
    pub(super) quote: fn(&str) -> String,
    /// How it writes a value.
    pub(super) literal: fn(&Cell) -> String,
    /// What it calls a type.
    pub(super) type_of: fn(ColumnKind) -> String,
}

impl Statements {
    pub(super) fn create(&self, table: &Table) -> String {
        let quote = self.quote;
        let mut parts: Vec<String> = table
            .columns
            .iter()
            .map(|column| {
                let null = if column.nullable { "" } else { " NOT NULL" };
                format!("{} {}{null}", quote(column.name), (self.type_of)(column.kind))
            })
            .collect();
        let key: Vec<String> = table.key.iter().map(|column| quote(column)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
        for reference in &table.references {
            let (column, other, to) = (quote(reference.column), quote(reference.table), quote(reference.to));
            parts.push(format!("FOREIGN KEY ({column}) REFERENCES {other} ({to})"));
        }
        parts.extend(table.checks.iter().map(|check| format!("CHECK ({check})")));
        format!("CREATE TABLE {} (\n  {}\n)", quote(table.name), parts.join(",\n  "))
    }

    pub(super) fn insert(&self, table: &str, row: Row<'_>) -> String {
        let columns: Vec<String> = row.iter().map(|(column, _)| (self.quote)(column)).collect();
        let values: Vec<String> = row.iter().map(|(_, cell)| (self.literal)(cell)).collect();
        format!("INSERT INTO {} ({}) VALUES ({})", (self.quote)(table), columns.join(", "), values.join(", "))
    }

    pub(super) fn update(&self, table: &str, set: Row<'_>, rows: Row<'_>) -> String {
        let sets: Vec<String> =
            set.iter().map(|(column, cell)| format!("{} = {}", (self.quote)(column), (self.literal)(cell))).collect();
        format!("UPDATE {} SET {} WHERE {}", (self.quote)(table), sets.join(", "), self.holding(rows))
    }

    pub(super) fn delete(&self, table: &str, rows: Row<'_>) -> String {
        format!("DELETE FROM {} WHERE {}", (self.quote)(table), self.holding(rows))
    }

    pub(super) fn lock(&self, table: &str, rows: Row<'_>) -> String {
        format!("SELECT 1 FROM {} WHERE {} FOR UPDATE", (self.quote)(table), self.holding(rows))
    }

    /// That a row holds these values; every row does where none are named.
    fn holding(&self, rows: Row<'_>) -> String {
        let parts: Vec<String> = rows
            .iter()
            .map(|(column, cell)| match cell {
                Cell::Null => format!("{} IS NULL", (self.quote)(column)),
                cell => format!("{} = {}", (self.quote)(column), (self.literal)(cell)),
            })
            .collect();
        if parts.is_empty() { "1 = 1".to_owned() } else { parts.join(" AND ") }
    }
}
