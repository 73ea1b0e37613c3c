//! Finds the SQL of the program in its sources: every text that begins as a statement, `concat!` and macros of ours
//! put together, and the lists that the store's `Tx::insert` makes statements of.
//!
//! It reads tokens, not text, so that comments, attributes and line breaks in strings do not matter. What is handed to
//! the database and cannot be followed to a text is a finding: a statement that nobody sees is prepared by nobody.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that may hold SQL; `tidy` keeps sqlx and rusqlite there, and the control plane ends in transactions.
const FOLDERS: &[&str] = &["db", "store", "control", "directory", "delivery", "app", "api"];
/// How a statement begins.
const VERBS: &[&str] =
    &["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE", "SET", "SAVEPOINT", "RELEASE", "ROLLBACK"];
/// Calls that take a statement first.
const CALLS: &[&str] = &["one", "all", "execute", "query", "script"];
/// Where statements are passed on, not made.
const ARMS: &[&str] = &["db/tx.rs", "store/tx.rs", "store/sqlite.rs", "store/postgres.rs", "db/listing.rs"];

/// A statement and where it stands.
#[derive(Debug)]
pub struct Statement {
    pub file: String,
    pub line: usize,
    pub sql: String,
}

/// All statements, and what could not be followed.
#[derive(Default)]
pub struct Found {
    pub statements: Vec<Statement>,
    pub findings: Vec<String>,
    /// How many lists there are: values of the type `Parts`.
    pub lists: usize,
}

/// Walks the sources.
pub fn all() -> Found {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&root.join(folder), &mut files));
    let sources: Vec<(String, TokenStream)> = files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap().parse().unwrap())
        })
        .collect();
    let mut everywhere = HashMap::new();
    sources.iter().for_each(|(_, tokens)| read_macros(tokens, &mut everywhere));
    let mut found = Found::default();
    for (file, tokens) in sources {
        // One of the file's own goes before one of another file.
        let mut macros = everywhere.clone();
        read_macros(&tokens, &mut macros);
        let mut walk = Walk { file: &file, macros: &macros, names: HashMap::new(), found: &mut found };
        walk.read_names(&tokens);
        walk.walk(tokens);
    }
    found
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.to_string_lossy().ends_with("_tests.rs") {
            files.push(path);
        }
    }
}

/// The text that a literal stands for.
fn text_of(token: &TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else { return None };
    match syn::Lit::new(literal.clone()) {
        syn::Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_word(token: Option<&TokenTree>, wanted: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(word)) if word == wanted)
}

/// `name!(…)` at a place: the name and what is in it.
fn call_of_macro(tokens: &[TokenTree], at: usize) -> Option<(String, TokenStream)> {
    match (tokens.get(at), tokens.get(at + 2)) {
        (Some(TokenTree::Ident(name)), Some(TokenTree::Group(group))) if is_punct(tokens.get(at + 1), '!') => {
            Some((name.to_string(), group.stream()))
        }
        _ => None,
    }
}

/// `macro_rules! name { () => { "text" } }`.
fn read_macros(stream: &TokenStream, macros: &mut HashMap<String, String>) {
    let tokens: Vec<TokenTree> = stream.clone().into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        if !is_word(Some(token), "macro_rules") {
            continue;
        }
        let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) = (tokens.get(at + 2), tokens.get(at + 3))
        else {
            continue;
        };
        // The last group that is no pattern: what the macro becomes.
        let becomes = body.stream().into_iter().filter_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() != Delimiter::Parenthesis => Some(group.stream()),
            _ => None,
        });
        let first = becomes.last().and_then(|stream| stream.into_iter().next());
        if let Some(text) = first.as_ref().and_then(text_of) {
            macros.insert(name.to_string(), text);
        }
    }
}

/// Lists of tokens between commas.
fn split(stream: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    for token in stream {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => parts.push(Vec::new()),
            token => parts.last_mut().unwrap().push(token),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

struct Walk<'a> {
    file: &'a str,
    macros: &'a HashMap<String, String>,
    /// What names stand for, by the line from which they do; nothing where it is no text.
    names: HashMap<String, Vec<(usize, Vec<String>)>>,
    found: &'a mut Found,
}

impl Walk<'_> {
    /// The text of a literal, `concat!` or macro of ours that is all of `tokens`.
    fn resolve(&self, tokens: &[TokenTree]) -> Option<String> {
        if let [token] = tokens {
            return text_of(token);
        }
        let (name, inside) = (tokens.len() == 3).then(|| call_of_macro(tokens, 0)).flatten()?;
        match name.as_str() {
            "concat" => split(inside).iter().map(|part| self.resolve(part)).collect(),
            name => self.macros.get(name).cloned(),
        }
    }

    /// Every text within an expression: `match` gives several.
    fn texts(&self, stream: &[TokenTree], out: &mut Vec<String>) {
        let mut at = 0;
        while let Some(token) = stream.get(at) {
            if call_of_macro(stream, at).is_some() {
                out.extend(self.resolve(&stream[at..at + 3]));
                at += 3;
                continue;
            }
            match token {
                TokenTree::Group(group) => {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.texts(&inside, out);
                }
                token => out.extend(text_of(token)),
            }
            at += 1;
        }
    }

    /// `let name = …;`, `const NAME: … = …;`, `for name in […]`, and parameters `name: &'static str`.
    fn read_names(&mut self, stream: &TokenStream) {
        let tokens: Vec<TokenTree> = stream.clone().into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            if let TokenTree::Group(group) = token {
                self.read_names(&group.stream());
            }
            let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { continue };
            let line = name.span().start().line;
            let binds = is_word(Some(token), "let") || is_word(Some(token), "const") || is_word(Some(token), "static");
            if binds {
                let rest = &tokens[at + 2..];
                let Some(equals) = rest.iter().position(|token| {
                    matches!(token, TokenTree::Punct(punct) if punct.as_char() == '=' && punct.spacing() == Spacing::Alone)
                }) else {
                    continue;
                };
                let end = rest.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(rest.len());
                let mut texts = Vec::new();
                if equals < end {
                    self.texts(&rest[equals + 1..end], &mut texts);
                }
                self.names.entry(name.to_string()).or_default().push((line, texts));
            } else if is_word(Some(token), "for") && is_word(tokens.get(at + 2), "in") {
                let end = tokens[at + 3..].iter().position(
                    |token| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace),
                );
                let mut texts = Vec::new();
                self.texts(&tokens[at + 3..at + 3 + end.unwrap_or(0)], &mut texts);
                self.names.entry(name.to_string()).or_default().push((line, texts));
            }
        }
        self.read_parameters(&tokens);
    }

    /// A parameter stands for the texts of whoever calls, which are found where they stand.
    fn read_parameters(&mut self, tokens: &[TokenTree]) {
        for at in 0..tokens.len() {
            let (Some(TokenTree::Ident(name)), true) = (tokens.get(at), is_punct(tokens.get(at + 1), ':')) else {
                continue;
            };
            let is_text = is_punct(tokens.get(at + 2), '&')
                && is_punct(tokens.get(at + 3), '\'')
                && is_word(tokens.get(at + 4), "static")
                && is_word(tokens.get(at + 5), "str");
            if is_text {
                let line = name.span().start().line;
                self.names.entry(name.to_string()).or_default().push((line, vec!["SELECT 1".into()]));
            }
        }
    }

    /// What an expression may stand for at a line: itself, or what the name that it is was bound to last.
    fn expression(&self, tokens: &[TokenTree], line: usize) -> Vec<String> {
        if let Some(text) = self.resolve(tokens) {
            return vec![text];
        }
        let [TokenTree::Ident(name)] = tokens else { return Vec::new() };
        let Some(bound) = self.names.get(&name.to_string()) else { return Vec::new() };
        let before = bound.iter().filter(|(from, _)| *from <= line).max_by_key(|(from, _)| *from);
        // A constant may stand below its use.
        before.or(bound.first()).map(|(_, texts)| texts.clone()).unwrap_or_default()
    }

    fn walk(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            // Attributes, comments of documentation among them.
            if is_punct(Some(token), '#') {
                at += if is_punct(tokens.get(at + 1), '!') { 3 } else { 2 };
                continue;
            }
            if is_word(Some(token), "macro_rules") {
                at += 4;
                continue;
            }
            let line = token.span().start().line;
            if let Some(text) = call_of_macro(&tokens, at).and_then(|_| self.resolve(&tokens[at..at + 3])) {
                self.statement(text, line);
                at += 3;
                continue;
            }
            if let (TokenTree::Ident(name), Some(TokenTree::Group(arguments))) = (token, tokens.get(at + 1)) {
                let made = name == "Parts" && at > 0 && is_punct(tokens.get(at - 1), '=');
                self.found.lists += usize::from(made);
                let called = at > 0 && is_punct(tokens.get(at - 1), '.');
                if called && arguments.delimiter() == Delimiter::Parenthesis {
                    self.call(&name.to_string(), arguments.stream(), line);
                }
            }
            match token {
                TokenTree::Group(group) => self.walk(group.stream()),
                token => text_of(token).into_iter().for_each(|text| self.statement(text, line)),
            }
            at += 1;
        }
    }

    fn statement(&mut self, text: String, line: usize) {
        // The arms hold the frame that lists are put into, not statements.
        if is_statement(&text) && !(ARMS.contains(&self.file) && text.contains('{')) {
            self.found.statements.push(Statement { file: self.file.to_owned(), line, sql: text });
        }
    }

    fn call(&mut self, name: &str, arguments: TokenStream, line: usize) {
        if ARMS.contains(&self.file) {
            return;
        }
        let arguments = split(arguments);
        if name == "insert" && arguments.len() == 3 && self.file.starts_with("store/") {
            return self.insert(&arguments, line);
        }
        let (Some(first), true) = (arguments.first(), CALLS.contains(&name)) else { return };
        // What goes to a database has its parameters beside it; iterators and the like do not.
        let has_parameters = arguments.len() == 2 && (is_punct(arguments[1].first(), '&') || name == "script");
        let texts = self.expression(first, line);
        if has_parameters && (texts.is_empty() || !texts.iter().all(|text| is_statement(text))) {
            let shown: String = first.iter().map(ToString::to_string).collect();
            self.found
                .findings
                .push(format!("src/{}:{line}: {name}({shown}, …) leads to no statement: {texts:?}", self.file));
        }
    }

    /// `tx.insert(into, rows, suffix)` of the store is `INSERT INTO {into} VALUES (…) {suffix}`.
    fn insert(&mut self, arguments: &[Vec<TokenTree>], line: usize) {
        let (into, suffix) = (self.expression(&arguments[0], line), self.expression(&arguments[2], line));
        let ([into], [suffix]) = (into.as_slice(), suffix.as_slice()) else {
            self.found.findings.push(format!("src/{}:{line}: what is inserted cannot be followed", self.file));
            return;
        };
        let width = into.split_once('(').map_or(1, |(_, columns)| columns.split(',').count());
        let marks: Vec<String> = (1..=width).map(|n| format!("${n}")).collect();
        let sql = format!("INSERT INTO {into} VALUES ({}) {suffix}", marks.join(", "));
        self.statement(sql, line);
    }
}

fn is_statement(text: &str) -> bool {
    let word: String = text.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    VERBS.contains(&word.as_str()) && text.trim_start().len() > word.len()
}
