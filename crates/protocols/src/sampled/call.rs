//! A contract's function as a row of configuration writes it, and the calldata that is made of it.
//!
//! # Form
//! As Solidity declares it, but that an argument's name says what is put there: `token_in`, `token_out`, `index_in` and `index_out` (a
//! token's place in the pool's list), `zero_for_one`, `amount_in`, `recipient` (our contract); or the value itself, a number, an address,
//! `true`, `false`, `0x` for empty `bytes`. Parentheses within are a struct's. Of what it returns the one word is the amount, or the
//! one that is named `amount_out`:
//!
//! ```text
//! getReturn(address token_in, address token_out, uint256 amount_in) returns (uint256)
//! exactInput((address token_in, address token_out, uint24 500, uint256 amount_in, uint160 0)) returns (uint160, uint256 amount_out)
//! ```
//!
//! # Cost
//! Parsing allocates. Calldata is written into a buffer of fixed size.

use alloy_primitives::{Address, I256, U256, hex, keccak256};
use serde::{Deserialize, Serialize};

use crate::amm::Leg;

/// Most words of arguments.
pub const MOST_WORDS: usize = 16;

/// Bytes of the longest calldata: a selector, the words, and the length of what is empty.
pub const LONGEST: usize = 4 + 32 * (MOST_WORDS + 1);

/// What stands in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    TokenIn,
    TokenOut,
    IndexIn,
    IndexOut,
    ZeroForOne,
    AmountIn,
    Recipient,
    Fixed(U256),
}

/// What a call is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    /// The way through the pool.
    pub leg: Leg,
    /// What goes in and what comes out, as the contract names them.
    pub tokens: [Address; 2],
    /// How much goes in.
    pub amount_in: u128,
    /// Who is given what comes out, where that is said.
    pub recipient: Address,
}

/// A function, and what its arguments are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Function {
    text: String,
    selector: [u8; 4],
    words: Vec<Word>,
    /// Behind the words stands the length of what is empty.
    has_tail: bool,
    answer: usize,
}

impl TryFrom<String> for Function {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Function> for String {
    fn from(function: Function) -> Self {
        function.text
    }
}

impl Function {
    /// Reads a declaration.
    ///
    /// # Errors
    /// What of it makes no sense.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, rest) =
            text.split_once('(').ok_or_else(|| format!("\"{text}\" is no function: it has no arguments"))?;
        let name = name.trim();
        if !is_identifier(name) {
            return Err(format!("\"{name}\" is no function's name"));
        }
        let (arguments, behind) = closed(rest).ok_or_else(|| format!("{name} has no closing parenthesis"))?;
        let mut reading = Reading::default();
        reading.list(arguments, 0)?;
        let words = reading.words.len();
        if words > MOST_WORDS {
            return Err(format!("{name} takes {words} words, {MOST_WORDS} at most are read"));
        }
        // What is empty lies behind the words, all of it in one place.
        let tail = Word::Fixed(U256::from(32 * words));
        let has_tail = !reading.empty.is_empty();
        for place in reading.empty {
            reading.words[place] = tail;
        }
        let hash = keccak256(format!("{name}({})", reading.types));
        let [a, b, c, d, ..] = hash.0;
        let answer = answer(name, behind)?;
        Ok(Self { text: text.to_owned(), selector: [a, b, c, d], words: reading.words, has_tail, answer })
    }

    /// Which word of what it returns is the amount.
    #[must_use]
    pub const fn answer(&self) -> usize {
        self.answer
    }

    /// Does it say which token goes in?
    #[must_use]
    pub fn says_direction(&self) -> bool {
        let says = |word: &Word| !matches!(word, Word::AmountIn | Word::Recipient | Word::Fixed(_));
        self.words.iter().any(says)
    }

    /// Does what it does hang on the amount that goes in?
    #[must_use]
    pub fn takes_amount(&self) -> bool {
        self.words.contains(&Word::AmountIn)
    }

    /// Writes the calldata, and says how long it is.
    pub fn write(&self, with: &Filling, data: &mut [u8; LONGEST]) -> usize {
        let [token_in, token_out] = with.tokens;
        data[..4].copy_from_slice(&self.selector);
        let mut at = 4;
        for word in &self.words {
            let word = match *word {
                Word::TokenIn => U256::from_be_bytes(token_in.into_word().0),
                Word::TokenOut => U256::from_be_bytes(token_out.into_word().0),
                Word::IndexIn => U256::from(with.leg.token_in()),
                Word::IndexOut => U256::from(with.leg.token_out()),
                Word::ZeroForOne => U256::from(with.leg.zero_for_one()),
                Word::AmountIn => U256::from(with.amount_in),
                Word::Recipient => U256::from_be_bytes(with.recipient.into_word().0),
                Word::Fixed(word) => word,
            };
            data[at..at + 32].copy_from_slice(&word.to_be_bytes::<32>());
            at += 32;
        }
        if self.has_tail {
            data[at..at + 32].fill(0);
            at += 32;
        }
        at
    }
}

fn is_identifier(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    name.chars().all(is_part) && name.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

/// What stands before the parenthesis that closes, and what behind it.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            ')' => depth -= 1,
            _ => (),
        }
    }
    None
}

/// The parts of a list between its own commas.
fn parts(list: &str) -> Vec<&str> {
    let (mut all, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (at, c) in list.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                all.push(&list[from..at]);
                from = at + 1;
            }
            _ => (),
        }
    }
    all.push(&list[from..]);
    all
}

/// Which word of what is returned is the amount.
fn answer(name: &str, behind: &str) -> Result<usize, String> {
    let behind = behind.trim();
    if behind.is_empty() {
        return Ok(0);
    }
    let returned = behind.strip_prefix("returns").map(str::trim).and_then(|list| list.strip_prefix('('));
    let list = returned.and_then(closed).filter(|(_, rest)| rest.trim().is_empty()).map(|(list, _)| list);
    let list = list.ok_or_else(|| format!("behind {name} stands \"{behind}\" where returns (..) may stand"))?;
    let parts: Vec<Vec<&str>> = parts(list).into_iter().map(|part| part.split_whitespace().collect()).collect();
    for part in &parts {
        let kind = part.first().copied().unwrap_or_default();
        if Kind::parse(kind).is_none_or(|kind| kind == Kind::Empty) {
            return Err(format!("{name} returns \"{kind}\", which is no type that is one word"));
        }
    }
    let named = parts.iter().position(|part| part.get(1) == Some(&"amount_out"));
    match (named, parts.len()) {
        (Some(place), _) => Ok(place),
        (None, 1) => Ok(0),
        (None, _) => Err(format!("{name} returns several words, and none is named amount_out")),
    }
}

/// A list of arguments as far as it is read.
#[derive(Default)]
struct Reading {
    types: String,
    words: Vec<Word>,
    /// Places of what is empty.
    empty: Vec<usize>,
}

impl Reading {
    fn list(&mut self, list: &str, depth: usize) -> Result<(), String> {
        if list.trim().is_empty() {
            return Ok(());
        }
        for (index, part) in parts(list).into_iter().enumerate() {
            if index > 0 {
                self.types.push(',');
            }
            let part = part.trim();
            if let Some(inner) = part.strip_prefix('(') {
                let (inner, _) = closed(inner).ok_or_else(|| format!("\"{part}\" has no closing parenthesis"))?;
                self.types.push('(');
                self.list(inner, depth + 1)?;
                self.types.push(')');
            } else {
                self.argument(part, depth)?;
            }
        }
        Ok(())
    }

    fn argument(&mut self, part: &str, depth: usize) -> Result<(), String> {
        let mut said = part.split_whitespace();
        let (Some(kind), Some(value), None) = (said.next(), said.next(), said.next()) else {
            return Err(format!("the argument \"{part}\" is not a type and what is put there"));
        };
        let kind = Kind::parse(kind).ok_or_else(|| format!("{kind} is no type that is one word"))?;
        if kind == Kind::Empty {
            if value != "0x" || depth > 0 {
                return Err(format!("\"{part}\": of bytes only empty ones are written, 0x, and none in a struct"));
            }
            self.empty.push(self.words.len());
        }
        self.types.push_str(&kind.name());
        self.words.push(
            kind.word(value).ok_or_else(|| format!("\"{part}\": {value} is nothing that a {} can be", kind.name()))?,
        );
        Ok(())
    }
}

/// A type that is one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Address,
    Bool,
    Unsigned(usize),
    Signed(usize),
    Fixed(usize),
    Empty,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        let bits = |rest: &str| match rest {
            "" => Some(256),
            rest => rest.parse::<usize>().ok().filter(|bits| (8..=256).contains(bits) && bits % 8 == 0),
        };
        match text {
            "address" => Some(Self::Address),
            "bool" => Some(Self::Bool),
            "bytes" => Some(Self::Empty),
            _ => {
                let unsigned = text.strip_prefix("uint").and_then(bits).map(Self::Unsigned);
                let signed = || text.strip_prefix("int").and_then(bits).map(Self::Signed);
                let size = |rest: &str| rest.parse::<usize>().ok().filter(|size| (1..=32).contains(size));
                let fixed = || text.strip_prefix("bytes").and_then(size).map(Self::Fixed);
                unsigned.or_else(signed).or_else(fixed)
            }
        }
    }

    /// As a signature has it.
    fn name(self) -> String {
        match self {
            Self::Address => "address".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Unsigned(bits) => format!("uint{bits}"),
            Self::Signed(bits) => format!("int{bits}"),
            Self::Fixed(size) => format!("bytes{size}"),
            Self::Empty => "bytes".to_owned(),
        }
    }

    fn word(self, value: &str) -> Option<Word> {
        let named = match (self, value) {
            (Self::Address, "token_in") => Some(Word::TokenIn),
            (Self::Address, "token_out") => Some(Word::TokenOut),
            (Self::Address, "recipient") => Some(Word::Recipient),
            (Self::Bool, "zero_for_one") => Some(Word::ZeroForOne),
            (Self::Unsigned(_) | Self::Signed(_), "index_in") => Some(Word::IndexIn),
            (Self::Unsigned(_) | Self::Signed(_), "index_out") => Some(Word::IndexOut),
            // An amount has 112 bits at most, so that it is one of a signed type, too.
            (Self::Unsigned(bits) | Self::Signed(bits), "amount_in") if bits > 112 => Some(Word::AmountIn),
            _ => None,
        };
        named.or_else(|| self.literal(value).map(Word::Fixed))
    }

    fn literal(self, value: &str) -> Option<U256> {
        match self {
            Self::Address => address(value).map(|address| U256::from_be_bytes(address.into_word().0)),
            Self::Bool => value.parse::<bool>().ok().map(U256::from),
            Self::Unsigned(bits) => {
                value.parse::<U256>().ok().filter(|word| !value.is_empty() && word.bit_len() <= bits)
            }
            Self::Signed(bits) => {
                let word = value.parse::<I256>().ok().filter(|_| !value.is_empty())?;
                let most = I256::MAX.asr(256 - bits);
                (word <= most && word >= -most - I256::ONE).then(|| word.into_raw())
            }
            Self::Fixed(size) => {
                let bytes = hex::decode(value.strip_prefix("0x")?).ok().filter(|bytes| bytes.len() == size)?;
                let mut word = [0; 32];
                word[..size].copy_from_slice(&bytes);
                Some(U256::from_be_bytes(word))
            }
            Self::Empty => Some(U256::ZERO),
        }
    }
}

/// An address; of one in letters of both cases the checksum is held against them (EIP-55).
fn address(text: &str) -> Option<Address> {
    let digits = text.strip_prefix("0x")?;
    let is_mixed = digits.chars().any(|c| c.is_ascii_uppercase()) && digits.chars().any(|c| c.is_ascii_lowercase());
    if is_mixed { Address::parse_checksummed(text, None).ok() } else { text.parse().ok() }
}
