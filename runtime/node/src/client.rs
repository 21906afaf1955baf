//! A client of the local socket: the terminal chat, `--once`, and the commands that ask a running house.

use std::path::Path;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::UnixStream;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::wire::{self, ClientFrame, HouseFrame};

/// A connection to a running house.
#[derive(Debug)]
pub struct Client {
    frames: Framed<UnixStream, LengthDelimitedCodec>,
}

impl Client {
    /// Connects and greets. `None` when no house listens there.
    pub async fn connect(socket: &Path) -> anyhow::Result<Option<Self>> {
        let stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) => return Ok(None),
            Err(error) => return Err(error).context("the house's socket cannot be used; is it another user's?"),
        };
        let mut client = Self { frames: Framed::new(stream, wire::codec()) };
        client.send(&ClientFrame::Hello { version: wire::VERSION }).await?;
        match client.next().await? {
            Some(HouseFrame::Welcome { .. }) => Ok(Some(client)),
            Some(HouseFrame::Error { error }) => bail!(error),
            Some(_) | None => bail!("what listens on the socket is not a house of this version"),
        }
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &ClientFrame) -> anyhow::Result<()> {
        self.frames.send(wire::encode(frame)?).await.context("the house has gone")
    }

    /// The next frame; `None` when the house has closed the connection. Safe to drop while waiting.
    pub async fn next(&mut self) -> anyhow::Result<Option<HouseFrame>> {
        match self.frames.next().await {
            None => Ok(None),
            Some(Err(error)) => Err(error).context("the connection to the house broke"),
            Some(Ok(bytes)) => wire::decode(&bytes).map(Some).map_err(anyhow::Error::msg),
        }
    }

    /// Asks one thing and gives the answer.
    pub async fn ask(&mut self, frame: &ClientFrame) -> anyhow::Result<HouseFrame> {
        self.send(frame).await?;
        match self.next().await?.context("the house closed the connection")? {
            HouseFrame::Error { error } => bail!(error),
            answer => Ok(answer),
        }
    }
}
