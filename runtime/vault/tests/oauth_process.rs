//! A login in the vault as it runs: signed in for over the owner's socket, renewed, and killed in between.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "the whole program is a test, though none that the compiler knows as one"
)]

#[path = "keeper/books.rs"]
#[expect(dead_code, reason = "shared with the tests of the keeper")]
mod books;
#[path = "process/house.rs"]
mod house;
#[path = "egress/support.rs"]
#[expect(dead_code, reason = "shared with the broker's own tests")]
mod net;

use std::sync::Arc;

use base64::Engine as _;
use books::{Mood, Shared, api_server, token_server};
use hearth_domain::household::MemberId;
use hearth_domain::secret::Principal;
use hearth_domain::vault::{Tell, VaultState};
use hearth_supervisor::process::frame::Frame;
use hearth_vault::admin::{AdminAnswer, AdminAsk, NewSecret, NewSignIn};
use hearth_vault::keeper::login::ClientAuth;
use house::{House, Line, Test, hidden, name, refused, run};
use net::{INSIDE, Server};
use tokio::sync::Notify;

const CLIENT_SECRET: &str = "client-secret-Xc8Jq20LmW";

const TESTS: [Test; 2] = [
    ("a_person_signs_in_over_the_owner_s_socket_and_the_house_sees_no_token", signs_in),
    ("a_vault_killed_between_a_provider_s_answer_and_storing_it_goes_on_or_says_who_is_needed", killed),
];

fn main() {
    house::main(&TESTS);
}

struct Outside {
    books: Shared,
    token: Server,
    api: Server,
}

impl Outside {
    async fn new(mood: Mood) -> Self {
        let books = Shared::default();
        books.lock().unwrap().life = 3600;
        books.lock().unwrap().mood = mood;
        let noted = books.clone();
        let token = Server::http(INSIDE, move |request| token_server(request, noted.clone(), Arc::new(Notify::new()))).await;
        let noted = books.clone();
        let api = Server::http(INSIDE, move |request| api_server(request, noted.clone())).await;
        Self { books, token, api }
    }

    fn sign_in(&self, targets: Vec<String>) -> AdminAsk {
        let secret = NewSecret {
            name: name("key"),
            owner: MemberId::derived(&["owner"]),
            value: None,
            users: vec![Principal::Provider("p".into())],
            targets,
            authority: None,
            members: None,
            rate: None,
            bytes_out_max: 1 << 20,
            until: None,
            canary: false,
        };
        AdminAsk::SignIn(Box::new(NewSignIn {
            secret,
            authorize: "https://accounts.example.com/authorize".into(),
            token: format!("http://127.0.0.1:{}/token", self.token.port()),
            client: "my client".into(),
            client_secret: Some(hidden(CLIENT_SECRET)),
            auth: ClientAuth::Basic,
            scope: "calendar".into(),
            redirect: "http://127.0.0.1:8123/back".into(),
        }))
    }

    fn targets(&self) -> Vec<String> {
        let (api, token) = (self.api.port(), self.token.port());
        vec![format!("GET http://127.0.0.1:{api}/** lan"), format!("POST http://127.0.0.1:{token}/token lan in signature")]
    }

    fn get(&self, house: &House) -> reqwest::RequestBuilder {
        let url = format!("http://127.0.0.1:{}/v1/a", self.api.port());
        house.client().get(url).header("hearth-as", "provider/p").bearer_auth(name("key").placeholder())
    }

    /// From the first word to the secret that can be used.
    async fn signed_in(&self, house: &mut House, line: &mut Line) {
        let answer = house.ask(line, self.sign_in(self.targets())).await;
        let AdminAnswer::Open { address, seconds: 600 } = answer else { panic!("{answer:?}") };
        let back = self.books.lock().unwrap().agree(&address);
        let done = house.ask(line, AdminAsk::SignedIn { name: name("key"), answer: hidden(&back) }).await;
        assert!(matches!(done, AdminAnswer::Done), "{done:?}");
        let again = house.ask(line, AdminAsk::SignedIn { name: name("key"), answer: hidden(&back) }).await;
        assert!(refused(&again).contains("no sign-in waits"), "{again:?}");
    }

    fn withdraw(&self) {
        self.books.lock().unwrap().access.clear();
    }
}

fn signs_in() {
    run(async {
        let outside = Outside::new(Mood::Strict).await;
        let mut house = House::new();
        let (mut line, ..) = house.vault().await;
        let narrow = house.ask(&mut line, outside.sign_in(outside.targets()[..1].to_vec())).await;
        assert!(refused(&narrow).contains("policy does not allow the address"), "{narrow:?}");
        outside.signed_in(&mut house, &mut line).await;
        let tokens = outside.books.lock().unwrap().tokens();
        let asked = outside.get(&house).send();
        assert_eq!(house.meanwhile(&mut line, asked).await.unwrap().status(), 200);
        outside.withdraw();
        let asked = outside.get(&house).send();
        assert_eq!(house.meanwhile(&mut line, asked).await.unwrap().status(), 200, "renewed after a 401");
        let rotate = AdminAsk::Rotate { name: name("key"), value: hidden("sk-plain") };
        assert!(refused(&house.ask(&mut line, rotate).await).contains("sign in again"));
        let AdminAnswer::Open { .. } = house.ask(&mut line, AdminAsk::SignInAgain { name: name("key") }).await else { panic!("not again") };
        line.to.send(&Frame::Message(hearth_domain::vault::Sent { ask: hearth_domain::vault::Ask::Stop, more: false }), &[]).await.unwrap();
        while let Ok(Some(got)) = line.from.recv::<Tell>().await {
            if let Frame::Message(tell) = got.frame {
                house.hear(&mut line.to, tell).await;
            }
        }
        let told = house.told.concat();
        for what in ["signed in", "access token renewed", "signed-in", "refreshed"] {
            assert!(told.contains(&format!("\"{what}\"")), "{what}: {told}");
        }
        let mut all: Vec<String> = tokens.into_iter().chain(outside.books.lock().unwrap().tokens()).collect();
        all.push(CLIENT_SECRET.to_owned());
        assert!(all.len() >= 5, "{all:?}");
        for token in all {
            let base64 = base64::engine::general_purpose::STANDARD.encode(&token);
            assert!(!told.contains(&token) && !told.contains(&hex::encode(&token)) && !told.contains(&base64), "{token}");
        }
    });
}

fn killed() {
    run(async {
        for (mood, after) in [(Mood::Lenient, 200), (Mood::Strict, 401)] {
            let outside = Outside::new(mood).await;
            let mut house = House::new();
            let (mut line, ..) = house.vault().await;
            outside.signed_in(&mut house, &mut line).await;
            outside.withdraw();
            let asking = tokio::spawn(outside.get(&house).send());
            // The provider has answered when the house is told to store: it does not.
            loop {
                match line.from.recv::<Tell>().await.unwrap().unwrap().frame {
                    Frame::Message(Tell::Write { what, .. }) if what == "access token renewed" => break,
                    _ => {}
                }
            }
            line.process.kill().unwrap();
            line.process.wait().await.unwrap();
            assert!(asking.await.unwrap().is_err());
            outside.withdraw();
            let (mut line, state, findings, _) = house.vault().await;
            assert!(state == VaultState::Open && findings.iter().all(|finding| finding.contains("https")), "{findings:?}");
            let asked = outside.get(&house).send();
            assert_eq!(house.meanwhile(&mut line, asked).await.unwrap().status(), after);
            assert_eq!(outside.books.lock().unwrap().refreshes(), 2);
            let AdminAnswer::Listed { secrets, signed_in, .. } = house.ask(&mut line, AdminAsk::List).await else { panic!("no list") };
            let said: String = signed_in.into_iter().filter_map(|how| how.trouble).collect();
            assert_eq!((secrets.len(), said.contains("hearth secret sign-in key")), (1, after == 401), "{said}");
            if after == 401 {
                let AdminAnswer::Open { address, .. } = house.ask(&mut line, AdminAsk::SignInAgain { name: name("key") }).await else {
                    panic!("not again")
                };
                let back = outside.books.lock().unwrap().agree(&address);
                let done = house.ask(&mut line, AdminAsk::SignedIn { name: name("key"), answer: hidden(&back) }).await;
                assert!(matches!(done, AdminAnswer::Done), "{done:?}");
                let asked = outside.get(&house).send();
                assert_eq!(house.meanwhile(&mut line, asked).await.unwrap().status(), 200);
            }
        }
    });
}
