//! The rules of giving stock back, free of any database, clock, file or terminal.
