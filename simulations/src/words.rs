//! What people say: commands and free text, each with a private word of whoever says it.

use std::sync::Arc;

use crate::seed::Draw;
use crate::world::World;

/// A word that nobody else says, or that nobody says anywhere else.
pub type Word<'a> = &'a mut dyn FnMut(&mut Draw) -> String;

/// Something for the tools to do.
fn errand(draw: &mut Draw, word: Word<'_>) -> String {
    let friend = (*draw.pick(&["bo@example.org", "oma@example.org", "GB2966"])).to_owned();
    let word = word(draw);
    match draw.number(0, 7) {
        0 | 1 => format!("send {word} to {friend}"),
        2 => format!("pay {} to {friend}", draw.number(10, 90)),
        3 => format!("open {}", draw.pick(&["front", "garage-door"])),
        4 => format!("delete draft-{}", draw.number(10, 99)),
        5 => format!("page https://news.example/{}", draw.number(10, 99)),
        6 => format!("box {}", draw.pick(&["Ada", "Ben", "Cem", "Dot"])),
        _ => "mail please".to_owned(),
    }
}

/// The words of one message.
pub fn text(world: &Arc<World>, draw: &mut Draw, word: Word<'_>) -> String {
    if draw.happens(world.plan.vault.said) {
        let secrets = world.checkers().vault.guarded();
        if !secrets.is_empty() {
            return format!("{} is what the note on the fridge says, {}", draw.pick(&secrets), word(draw));
        }
    }
    if world.plan.hostile.tools && draw.happens(6_500) {
        return errand(draw, word);
    }
    ordinary(draw, word, world.plan.hostile.tools)
}

fn ordinary(draw: &mut Draw, word: Word<'_>, is_hostile: bool) -> String {
    let (old, word) = (word(draw), word(draw));
    let place = (*draw.pick(&["cellar", "garden", "attic", "garage"])).to_owned();
    match draw.number(0, 31) {
        0..=2 => format!("remember that the {word} is in the {place}"),
        3 => format!("what do you know about the {place}?"),
        4 => format!("forget about {old}"),
        5..=6 => format!("add {word} and milk to the shopping list"),
        7 => "show the shopping list".to_owned(),
        8 => "tick off milk".to_owned(),
        9..=13 => format!("remind me in {} minutes to {word}", draw.number(1, 90)),
        14 => format!("remind me every day at {} to {word}", draw.number(0, 23)),
        15 => format!("remind me every {} to {word}", draw.pick(&["hour", "weekday at 7", "monday at 2:30"])),
        16 => format!("remind me tomorrow at 2:30 to {word}"),
        17 => format!("note: {word} came to the {place}"),
        18 => "show my notes".to_owned(),
        19 => "what are my reminders".to_owned(),
        20 => (*draw.pick(&["who lives here", "status", "help", "what time is it in Tokyo"])).to_owned(),
        21 => (*draw.pick(&["", "  \n ", "\u{202e}\u{0}", "…"])).to_owned(),
        22 => format!("{word} {}", "very long ".repeat(draw.size(10, 8_000))),
        23 => format!("{word} ÄÖÜ 家 👩‍👩‍👧 {}", "é".repeat(draw.size(1, 400))),
        // Where tools are hostile, people name what they answer.
        24 if is_hostile => "/no".to_owned(),
        24 => (*draw.pick(&["/yes", "/no", "/always"])).to_owned(),
        _ => format!("please think about {word} and {place} {}", "and so on ".repeat(draw.size(0, 12))),
    }
}
