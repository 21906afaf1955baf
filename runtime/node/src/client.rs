//! A client of the local socket: the terminal chat, `--once`, and the commands that ask a running house.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::wire::{self, ClientFrame, HouseFrame};

/// How long a house may take to greet.
pub const GREETING: Duration = Duration::from_secs(10);
/// How long it may take to answer; longer than it gives itself, so that its own sentence comes first.
pub const ANSWER: Duration = Duration::from_secs(60);
/// The same for what reads the whole journal.
pub const VERIFYING: Duration = Duration::from_secs(660);

/// A connection to a running house.
#[derive(Debug)]
pub struct Client {
    frames: Framed<UnixStream, LengthDelimitedCodec>,
}

impl Client {
    /// Connects and greets. `None` when no house listens there, or one that is just stopping. Takes at most [`GREETING`].
    pub async fn connect(socket: &Path) -> anyhow::Result<Option<Self>> {
        Self::connect_within(socket, GREETING).await
    }

    /// The same with another deadline.
    pub async fn connect_within(socket: &Path, deadline: Duration) -> anyhow::Result<Option<Self>> {
        let greeted = tokio::time::timeout(deadline, Self::greet(socket)).await;
        greeted.map_err(|_| slow("greeted nobody", deadline))?
    }

    async fn greet(socket: &Path) -> anyhow::Result<Option<Self>> {
        use std::io::ErrorKind::{ConnectionRefused, NotFound};
        let stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Ok(None),
            Err(error) => return Err(error).context("the house's socket cannot be used; is it another user's?"),
        };
        let mut client = Self { frames: Framed::new(stream, wire::codec()) };
        if client.send(&ClientFrame::Hello { version: wire::VERSION }).await.is_err() {
            return Ok(None);
        }
        match client.frames.next().await {
            // Hung up on: it was about to stop.
            None | Some(Err(_)) => Ok(None),
            Some(Ok(bytes)) => match wire::decode(&bytes) {
                Ok(HouseFrame::Welcome { .. }) => Ok(Some(client)),
                Ok(HouseFrame::Error { error }) => bail!(error),
                Ok(_) | Err(_) => bail!("what listens on the socket is not a house of this version; use the same release for both"),
            },
        }
    }

    /// Sends a frame. A [`wire::TooBig`] is not sent, and the connection goes on.
    pub async fn send(&mut self, frame: &ClientFrame) -> anyhow::Result<()> {
        self.frames.send(wire::encode_for_house(frame)?).await.context("the house has gone")
    }

    /// The next frame; `None` when the house has closed the connection. Safe to drop while waiting.
    pub async fn next(&mut self) -> anyhow::Result<Option<HouseFrame>> {
        match self.frames.next().await {
            None => Ok(None),
            Some(Err(error)) => Err(error).context("the connection to the house broke"),
            Some(Ok(bytes)) => wire::decode(&bytes).map(Some).map_err(anyhow::Error::msg),
        }
    }

    /// Asks one thing and gives the answer. Takes at most [`ANSWER`], or [`VERIFYING`].
    pub async fn ask(&mut self, frame: &ClientFrame) -> anyhow::Result<HouseFrame> {
        let deadline = if *frame == ClientFrame::Verify { VERIFYING } else { ANSWER };
        self.ask_within(frame, deadline).await
    }

    /// The same with another deadline.
    pub async fn ask_within(&mut self, frame: &ClientFrame, deadline: Duration) -> anyhow::Result<HouseFrame> {
        let asked = async {
            self.send(frame).await?;
            self.next().await?.context("the house closed the connection")
        };
        match tokio::time::timeout(deadline, asked).await.map_err(|_| slow("did not answer", deadline))?? {
            HouseFrame::Error { error } => bail!(error),
            answer => Ok(answer),
        }
    }
}

fn slow(did: &str, deadline: Duration) -> anyhow::Error {
    anyhow::anyhow!("the house {did} within {deadline:?}; it is very busy or hangs: try again, or stop and start it")
}
