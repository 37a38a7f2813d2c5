//! The live schema, as the catalogue tells it.

use std::fmt;

/// A table's name as a profile writes it: `table` or `schema.table`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The schema, where the profile names one.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
}

impl TableName {
    /// Reads `table` or `schema.table`; a name that itself has a dot is written in double quotes.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let unquote = |part: &str| part.trim_matches('"').to_owned();
        if text.starts_with('"') && !text.contains("\".\"") {
            return Self { schema: None, table: unquote(text) };
        }
        match text.split_once('.') {
            Some((schema, table)) => Self { schema: Some(unquote(schema)), table: unquote(table) },
            None => Self { schema: None, table: text.to_owned() },
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(formatter, "{schema}.{}", self.table),
            None => formatter.write_str(&self.table),
        }
    }
}

/// What a column can hold, as far as a plan must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Numbers with a fixed count of decimals.
    Decimal,
    /// Binary fractions.
    Float,
    /// Text, also enumerations.
    Text,
    /// True and false.
    Boolean,
    /// UUIDs.
    Uuid,
    /// Bytes.
    Binary,
    /// An instant.
    Instant,
    /// A date and time without a zone.
    DateTime,
    /// Anything else.
    Other,
}

/// One column of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type, as the database writes it.
    pub sql_type: String,
    /// What it can hold.
    pub kind: Kind,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Whether the database computes it, so that it cannot be written.
    pub generated: bool,
    /// The only values it can hold, where the type is an enumeration.
    pub labels: Option<Vec<String>>,
    /// A few of its values as text, newest rows first where that is cheap; only for columns that were asked for.
    pub samples: Vec<String>,
}

/// One index of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexInfo {
    /// Its name.
    pub name: String,
    /// Its columns in order; an expression stands as the database writes it.
    pub columns: Vec<String>,
    /// The condition of a partial index, as the database writes it.
    pub condition: Option<String>,
}

/// One table of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// The name that was asked for.
    pub asked: TableName,
    /// The schema it stands in, where the database has schemas.
    pub schema: Option<String>,
    /// Its name, as the catalogue writes it.
    pub name: String,
    /// Whether it is a table whose rows can be locked and written (not a view).
    pub writable: bool,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
    /// Its indexes.
    pub indexes: Vec<IndexInfo>,
    /// The tables its foreign keys point at, by column.
    pub references: Vec<(String, String)>,
}

impl TableInfo {
    /// The column of that name, in exactly that spelling.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnInfo> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Which tables a plan needs, and of which columns a few values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaRequest {
    /// The tables, each once.
    pub tables: Vec<TableName>,
    /// Columns whose values show how they are written.
    pub samples: Vec<(TableName, String)>,
    /// Whether indexes and foreign keys are wanted as well: advice needs them, a sweep does not.
    pub indexes: bool,
}

/// The live schema, as far as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// The tables that exist among those asked for.
    pub tables: Vec<TableInfo>,
    /// The names of the other tables there are (at most a few hundred), for hints.
    pub others: Vec<String>,
}

impl Schema {
    /// The table that was asked for under this name.
    #[must_use]
    pub fn table(&self, name: &TableName) -> Option<&TableInfo> {
        self.tables.iter().find(|table| table.asked == *name)
    }
}
