//! The chat in a terminal: a real one, as far as the process can tell.

use std::process::{Command, Stdio};

use hearth_scripted::script::{Reply, Step};
use hearth_scripted::server::Scripted;
use rexpect::process::WaitStatus;
use rexpect::reader::Options;
use rexpect::session::{PtySession, spawn_with_options};

use crate::support::{DEADLINE, Home};

/// A person at a terminal.
struct Person {
    session: PtySession,
}

impl Person {
    fn sits_down(mut command: Command) -> Self {
        command.stdin(Stdio::inherit());
        let timeout = u64::try_from(DEADLINE.as_millis()).unwrap();
        let options = Options::new().timeout_ms(Some(timeout)).strip_ansi_escape_codes(true);
        let mut session = spawn_with_options(command, options).unwrap();
        session.process_mut().set_kill_timeout(Some(5_000));
        Self { session }
    }

    /// Reads until this is on the screen; what came before it.
    fn sees(&mut self, text: &str) -> String {
        // The crate takes every byte for a letter.
        let bytes: String = text.bytes().map(char::from).collect();
        self.session.exp_string(&bytes).unwrap_or_else(|error| panic!("`{text}` is not to be seen: {error}"))
    }

    fn types(&mut self, line: &str) {
        self.session.send_line(line).unwrap();
    }

    fn presses(&mut self, letter: char) {
        self.session.send_control(letter).unwrap();
    }

    /// Waits for the end; the exit code.
    fn leaves(mut self) -> i32 {
        self.session.exp_eof().unwrap();
        match self.session.process().wait() {
            Ok(WaitStatus::Exited(_, code)) => code,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn in_a_terminal_the_house_starts_answers_and_keeps() {
    let home = Home::new();
    let mut person = Person::sits_down(home.command(&[]));
    person.sees("Hearth is up. Data: ");
    person.sees("Page, logs you in once: http://127.0.0.1:");
    person.sees("Ctrl-D leaves.");
    person.sees("Ada › ");
    person.types("remember that the bins go out on Tuesday");
    person.sees("I'll remember that the bins go out on Tuesday.");
    person.sees("Ada › ");
    person.types("what do I know about the bins?");
    person.sees("the bins go out on Tuesday (said today");
    person.sees("Ada › ");
    person.types("remind me in 2 seconds to stretch");
    person.sees("I'll remind you to stretch");
    person.sees("Reminder: stretch");
    person.presses('d');
    assert_eq!(person.leaves(), 0);

    let mut person = Person::sits_down(home.command(&[]));
    // What was said before is shown again.
    person.sees("I'll remind you to stretch");
    person.sees("Ada › ");
    person.types("what do I know about the bins?");
    person.sees("the bins go out on Tuesday");
    person.sees("Ada › ");
    person.types("/quit");
    assert_eq!(person.leaves(), 0);
}

#[test]
fn ctrl_c_stops_the_answer_and_not_the_house_and_ctrl_d_leaves() {
    let server = Scripted::start().unwrap();
    let url = server.url_of("first");
    let home = Home::with(&format!("[[models]]\nname = \"first\"\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"{url}/v1\"\n"));
    server.push_to("first", Step::HangAfter { reply: Reply::text("They can climb walls and then fly."), pieces: 6 });
    server.push_to("first", Step::text("They can swim."));
    let mut person = Person::sits_down(home.command(&[]));
    person.sees("Ada › ");
    person.types("Tell me something nice about hedgehogs");
    person.sees("They can");
    person.presses('c');
    person.sees("Stopped.");
    person.sees("Ada › ");
    person.types("And now?");
    person.sees("They can swim.");
    person.sees("Ada › ");
    person.presses('c');
    person.sees("(Ctrl-D leaves)");
    person.sees("Ada › ");
    person.presses('d');
    assert_eq!(person.leaves(), 0);
}

#[test]
fn a_chat_beside_a_running_house_talks_to_it_and_leaves_it_running() {
    let home = Home::new();
    let house = home.start();
    let mut person = Person::sits_down(home.command(&["chat", "--as", "Bo"]));
    person.sees("Bo › ");
    person.types("remember that the bins go out on Tuesday");
    person.sees("I'll remember that the bins go out on Tuesday.");
    person.sees("Bo › ");
    // What another face says in the same conversation is shown here.
    let mut talk = house.talk();
    talk.open(Some("Bo"), None);
    talk.answer("what time is it?");
    person.sees("It's ");
    person.presses('d');
    assert_eq!(person.leaves(), 0);
    assert_eq!(house.count("memories"), 1);
    assert_eq!(house.stop(), Some(0));
}
