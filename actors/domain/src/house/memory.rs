//! `remember`, `recall`, `forget`, and the key words of a question that is no command.

use serde_json::json;

use super::polite::{self, Manner};
use super::words::{Said, Stop};
use super::{HouseContext, Interpretation, TEXT_MAX_CHARS, call, hint, words};

/// Longest thing to look up, in words.
const QUERY_MAX_WORDS: usize = 8;
/// Longest thing after `what do you know about`, in words: a longer one is a question about the world.
const KNOWN_MAX_WORDS: usize = 4;
/// Most key words of a fallback query.
const KEYWORDS_MAX: usize = 8;
/// Words that stand for something said earlier: nothing to look up.
const POINTERS: [&str; 18] = [
    "it",
    "that",
    "this",
    "those",
    "these",
    "them",
    "him",
    "her",
    "us",
    "you",
    "everything",
    "anything",
    "something",
    "all",
    "me",
    "there",
    "here",
    "yourself",
];
/// `remember that time …`: a shared memory, not a fact.
const MOMENTS: [&str; 36] = [
    "time",
    "day",
    "night",
    "evening",
    "morning",
    "afternoon",
    "weekend",
    "week",
    "summer",
    "winter",
    "spring",
    "autumn",
    "year",
    "one",
    "guy",
    "girl",
    "man",
    "woman",
    "movie",
    "film",
    "show",
    "song",
    "book",
    "story",
    "joke",
    "place",
    "restaurant",
    "trip",
    "holiday",
    "party",
    "game",
    "scene",
    "episode",
    "photo",
    "recipe",
    "conversation",
];
/// Words of a talk about the talk: `forget the previous instructions`.
const TALK: [&str; 24] = [
    "previous",
    "instructions",
    "instruction",
    "above",
    "last",
    "earlier",
    "everything",
    "rules",
    "prompt",
    "prompts",
    "conversation",
    "message",
    "messages",
    "said",
    "asked",
    "mentioned",
    "told",
    "context",
    "answer",
    "answers",
    "question",
    "questions",
    "all",
    "response",
];
/// Verbs that make a bare `remember my …` a fact.
const FACT_VERBS: [&str; 31] = [
    "is", "are", "isn't", "aren't", "has", "have", "hasn't", "haven't", "likes", "like", "loves", "love", "hates", "hate", "prefers",
    "prefer", "needs", "need", "doesn't", "don't", "can't", "lives", "live", "works", "work", "starts", "ends", "opens", "closes", "i'm",
    "we're",
];
/// Words that carry no meaning in a query.
const EMPTY: [&str; 98] = [
    "a", "an", "the", "my", "our", "your", "his", "her", "their", "its", "i", "we", "you", "he", "she", "they", "it", "me", "us", "them",
    "him", "this", "that", "these", "those", "what", "when", "where", "who", "which", "why", "how", "whose", "whether", "if", "is", "are",
    "was", "were", "be", "been", "am", "do", "does", "did", "done", "has", "have", "had", "can", "could", "will", "would", "should",
    "shall", "may", "might", "must", "to", "of", "in", "on", "at", "for", "from", "by", "with", "about", "as", "into", "and", "or", "but",
    "not", "no", "so", "there", "here", "up", "out", "off", "go", "goes", "get", "gets", "got", "put", "need", "want", "know", "tell",
    "said", "any", "some", "again", "please", "hearth", "i'm",
];

/// Reads the three commands about memory.
pub(super) fn read(said: Said<'_>, manner: Manner, cx: &HouseContext<'_>) -> Option<Interpretation> {
    recall(said, manner, cx).or_else(|| remember(said, manner)).or_else(|| forget(said, manner))
}

/// `remember that …`, `remember: …`, `remember my … is …`.
fn remember(said: Said<'_>, manner: Manner) -> Option<Interpretation> {
    const THAT: [&str; 3] = ["remember|memorize|memorise that", "don't|dont forget that", "do not forget that"];
    let colon = said.eat("remember|memorize|memorise").filter(|_| said.stop(0) == Stop::Colon);
    let this = said.eat("remember|memorize|memorise this|that").filter(|_| said.stop(1) == Stop::Colon);
    let slash = said.eat("remember").filter(|_| manner.slash);
    if let Some(count) = colon.or(this).or(slash) {
        return keep_fact(said.skip(count), 1);
    }
    match said.after(&THAT) {
        Some(fact) if MOMENTS.contains(&fact.key(0)) => None,
        Some(fact) if fact.is_empty() => hint("Tell me what to remember, for example: remember that the bins go out on Tuesday."),
        Some(fact) => keep_fact(fact, 3),
        None => match said.after(&["remember|forget to", "don't|dont forget to", "do not forget to"]) {
            Some(_) => hint("When? For example: remind me to call mum tomorrow at 18:00."),
            None => bare_fact(said.after(&["remember"])?),
        },
    }
}

/// `remember my mum's birthday is 3 May`: only what is clearly a fact of the house.
fn bare_fact(fact: Said<'_>) -> Option<Interpretation> {
    let ours = ["my", "our", "i", "i'm", "we", "we're", "i've", "we've"].contains(&fact.key(0));
    let plain = !fact.words.iter().any(|word| word.stop == Stop::Colon) && !MOMENTS.contains(&fact.key(1));
    if !plain || !fact.has(&FACT_VERBS) || !polite::is_one_statement(fact) {
        return None;
    }
    if ours { keep_fact(fact, 2) } else { hint("To have me keep a fact, say “remember that …”.") }
}

/// Keeps a statement of at least `least` words.
fn keep_fact(fact: Said<'_>, least: usize) -> Option<Interpretation> {
    if fact.len() < least || fact.clean().is_empty() || !polite::is_one_statement(fact) {
        return None;
    }
    call("remember", json!({ "text": fact.clean() }))
}

/// `what do you know about …`, `recall …`, `do you remember where …`.
fn recall(said: Said<'_>, manner: Manner, cx: &HouseContext<'_>) -> Option<Interpretation> {
    const ABOUT: [&str; 6] = [
        "tell? me? what do i|we|you know|remember about",
        "tell? me? what have i|we told you about",
        "tell? me? what did i|we tell|told you about",
        "tell? me? what did i|we say about",
        "tell|remind me what i|we|you said|told|know you? about",
        "recall what i|we said|told you? about",
    ];
    if said.broken(true) || polite::asks_more(said) {
        return None;
    }
    if let Some(rest) = said.after(&ABOUT) {
        let own = said.take(said.len() - rest.len()).has(&["i", "we"]);
        return match rest.is(&["me|myself"]) {
            true => call("recall", json!({ "query": cx.member })),
            false => look_up(rest).filter(|_| own || (rest.len() <= KNOWN_MAX_WORDS && !rest.has(&["of"]))),
        };
    }
    if manner.slash && said.key(0) == "recall" {
        return look_up(said.skip(1));
    }
    if let Some(rest) = said.after(&["recall"]) {
        let vague = ["that", "when", "how", "why", "what", "from", "to", "where", "who", "if"].contains(&rest.key(0));
        let talk = rest.has(&TALK) || rest.has(&["definition", "theorem", "formula", "quote", "plot", "lyrics", "of"]);
        return if rest.len() <= 4 && !vague && !talk && !MOMENTS.contains(&rest.key(1)) { look_up(rest) } else { None };
    }
    do_you_remember(said, manner)
}

/// `do you remember where the keys are?`: only about things of this house.
fn do_you_remember(said: Said<'_>, manner: Manner) -> Option<Interpretation> {
    let rest =
        said.after(&["do you still? remember|know?"]).or_else(|| if manner.asked { said.after(&["still? remember"]) } else { None })?;
    if rest.is_empty() || rest.len() > 12 || !said.has(&["remember"]) {
        return None;
    }
    let ours = rest.has(&["my", "our", "i", "we"]);
    let asks = ["what", "who", "which", "if", "whether", "how", "when", "where"].contains(&rest.key(0));
    let thing = ["my", "our"].contains(&rest.key(0)) && !rest.has(&TALK) && !MOMENTS.contains(&rest.key(1));
    let place = rest.is_place_question();
    if !((asks && ours && !rest.has(&TALK)) || place || thing) {
        return None;
    }
    let query = keywords(rest);
    if query.is_empty() { None } else { call("recall", json!({ "query": query })) }
}

impl Said<'_> {
    /// `where the keys are`.
    fn is_place_question(self) -> bool {
        self.eat("where the").is_some() && ["is", "are"].contains(&self.last_key())
    }
}

/// A call of `recall` for a few words.
fn look_up(query: Said<'_>) -> Option<Interpretation> {
    let query = query.after(&["the|a|an|my|our"]).filter(|rest| !rest.is_empty()).unwrap_or(query);
    let pointer = query.len() == 1 && POINTERS.contains(&query.key(0));
    if query.is_empty() || query.len() > QUERY_MAX_WORDS || pointer || query.clean().is_empty() {
        return None;
    }
    call("recall", json!({ "query": query.clean() }))
}

/// `forget about …`, `forget that …`. Never everything, never `forget it`.
fn forget(said: Said<'_>, manner: Manner) -> Option<Interpretation> {
    const ABOUT: [&str; 3] =
        ["forget about", "forget all? what i|we said|told you? about", "forget what|everything|all you know|remember about"];
    if said.is(&["forget everything|all", "forget everything|all you know|remember"]) {
        return hint("I forget one thing at a time, for example: forget about the bins.");
    }
    if said.eat("forget the|my|our").is_some() && said.len() <= QUERY_MAX_WORDS && !manner.slash && !said.broken(true) {
        return hint("To make me forget something, say “forget about …”.");
    }
    let (rest, that) = match said.after(&ABOUT) {
        Some(rest) => (rest, false),
        None if manner.slash => (said.after(&["forget"])?, false),
        None => (said.after(&["forget that"])?, true),
    };
    let least = if that { 3 } else { 1 };
    let most = if that { 20 } else { QUERY_MAX_WORDS };
    let query = if that { rest } else { rest.after(&["the|a|an|my|our"]).unwrap_or(rest) };
    let unclear = query.broken(!that) || !polite::is_one_statement(query) || rest.has(&TALK) || MOMENTS.contains(&query.key(0));
    let pointer = query.len() == 1 && POINTERS.contains(&query.key(0));
    if query.len() < least || query.len() > most || unclear || pointer || said.stop(1) != Stop::None || query.clean().is_empty() {
        return None;
    }
    call("forget", json!({ "query": query.clean() }))
}

/// The words of a question that mean something.
fn keywords(said: Said<'_>) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for key in said.keys().filter(|key| !EMPTY.contains(key)) {
        let key = key.strip_suffix("'s").unwrap_or(key);
        if !kept.contains(&key) && kept.len() < KEYWORDS_MAX {
            kept.push(key);
        }
    }
    kept.join(" ")
}

/// Key words of a question that is no command, so that memory can be tried before saying that nothing was understood.
/// For when no language model is there; `None` when the text is no question or nothing in it can be looked up.
#[must_use]
pub fn fallback_query(text: &str) -> Option<String> {
    if text.chars().nth(TEXT_MAX_CHARS).is_some() {
        return None;
    }
    let mut read = words::read(text);
    let manner = polite::strip(&mut read);
    let said = Said::new(text, &read);
    let opens = ["what", "when", "where", "who", "which", "whose", "how", "why", "is", "are", "do", "does", "did", "has", "have"];
    if said.len() > 30 || said.broken(false) || !(said.asks() || manner.asked || opens.contains(&said.key(0))) {
        return None;
    }
    Some(keywords(said)).filter(|query| !query.is_empty())
}
