//! What a running supervisor waits for, in order of precedence: orders from above, news of children, requests, alarms.

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::Instant;

use crate::life::Signal;
use crate::shell::Order;
use crate::spec::handle::Request;

pub(super) struct Inputs {
    pub(super) orders: UnboundedReceiver<Order>,
    pub(super) signals: UnboundedReceiver<Signal>,
    pub(super) requests: Option<mpsc::Receiver<Request>>,
}

pub(super) enum Input {
    Order(Order),
    Signal(Signal),
    Request(Request),
    Alarm,
}

impl Inputs {
    pub(super) async fn next(&mut self, alarm: Option<Instant>) -> Input {
        let Self { orders, signals, requests } = self;
        tokio::select! {
            biased;
            Some(order) = orders.recv() => Input::Order(order),
            Some(signal) = signals.recv() => Input::Signal(signal),
            Some(request) = receive(requests) => Input::Request(request),
            () = sleep_until(alarm) => Input::Alarm,
        }
    }
}

async fn receive(requests: &mut Option<mpsc::Receiver<Request>>) -> Option<Request> {
    match requests {
        Some(requests) => requests.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(alarm: Option<Instant>) {
    match alarm {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
