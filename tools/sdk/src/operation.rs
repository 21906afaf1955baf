//! What a tool can do, as it tells the house.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Answer, Context, Failure};

/// What an operation does to the world. The house decides by it; for HTTP the method decides as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Only looks.
    Read,
    /// Changes what belongs to the member alone.
    WriteOwn,
    /// Something leaves for somebody else.
    ExternalSend,
    /// Costs money.
    Pay,
    /// Moves something in the house: a lock, a light.
    Physical,
    /// Takes something away.
    Delete,
    /// Changes how something is run.
    Admin,
}

/// What an argument is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What is said or asked.
    Content,
    /// To whom.
    Recipient,
    /// An address of the web.
    Url,
    /// A place in a tree.
    Path,
    /// How much.
    Amount,
    /// Which one.
    Id,
    /// When.
    Schedule,
    /// What is to be carried out.
    Code,
    /// Names a secret.
    SecretRef,
}

/// How far a field of the result is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Written by somebody outside of the house. So is every field that is not named.
    Outside,
    /// Written by the service itself, such as an id or a time.
    Service,
    /// Written by the member for whom the call is made.
    Member,
}

/// An argument and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// JSON pointer into the arguments (RFC 6901; `*` for every element).
    pub at: &'static str,
    /// What it is for.
    pub role: Role,
}

/// A field of the result and how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// JSON pointer into the result (`*` for every element), beginning with a slash.
    pub at: &'static str,
    /// How far it is trusted.
    pub trust: Trust,
}

type Handler = Box<dyn Fn(Value, &Context) -> Result<Answer, Failure>>;

/// One thing that a tool can do.
pub struct Operation {
    /// Its name: `a-z0-9_`, unique in the tool.
    pub name: &'static str,
    /// For the model, at most 400 bytes.
    pub description: &'static str,
    /// What it does to the world.
    pub effect: Effect,
    /// Whether a call of unknown outcome may be made again.
    pub idempotent: bool,
    /// What its arguments are for.
    pub arguments: Vec<Argument>,
    /// How far its result is trusted.
    pub fields: Vec<Field>,
    parameters: Box<dyn Fn() -> Value>,
    handler: Handler,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("name", &self.name).field("effect", &self.effect).finish_non_exhaustive()
    }
}

fn no_parameters() -> Value {
    serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

impl Operation {
    /// An operation of this name, carried out by this function. The arguments have passed the house's check against the schema, and become
    /// the function's own type here.
    pub fn new<A, R, F>(name: &'static str, effect: Effect, handler: F) -> Self
    where
        A: DeserializeOwned,
        R: Into<Answer>,
        F: Fn(A, &Context) -> Result<R, Failure> + 'static,
    {
        let handler = move |arguments: Value, context: &Context| {
            let arguments = serde_json::from_value(arguments)
                .map_err(|error| Failure::bad_arguments(format!("the arguments do not fit this operation: {error}")))?;
            handler(arguments, context).map(Into::into)
        };
        Self {
            name,
            description: "",
            effect,
            idempotent: false,
            arguments: Vec::new(),
            fields: Vec::new(),
            parameters: Box::new(no_parameters),
            handler: Box::new(handler),
        }
    }

    /// What the model is told about it.
    #[must_use]
    pub fn describe(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The JSON Schema (2020-12) of its arguments, an object. Without it there are none.
    #[must_use]
    pub fn parameters(mut self, parameters: impl Fn() -> Value + 'static) -> Self {
        self.parameters = Box::new(parameters);
        self
    }

    /// What an argument is for.
    #[must_use]
    pub fn argument(mut self, at: &'static str, role: Role) -> Self {
        self.arguments.push(Argument { at, role });
        self
    }

    /// How far a field of the result is trusted.
    #[must_use]
    pub fn field(mut self, at: &'static str, trust: Trust) -> Self {
        self.fields.push(Field { at, trust });
        self
    }

    /// As [`Self::field`], for several.
    #[must_use]
    pub fn fields(mut self, at: &[&'static str], trust: Trust) -> Self {
        self.fields.extend(at.iter().map(|at| Field { at, trust }));
        self
    }

    /// A call of unknown outcome may be made again.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The schema of its arguments.
    #[must_use]
    pub fn schema(&self) -> Value {
        (self.parameters)()
    }
}

/// A tool: its operations.
#[derive(Debug, Default)]
pub struct Tool {
    operations: Vec<Operation>,
}

impl Tool {
    /// One that can do nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more operation.
    #[must_use]
    pub fn with(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// What it can do.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Does one of these things.
    ///
    /// # Errors
    /// The arguments are not JSON or not the operation's, there is no such operation, or what the operation itself answers.
    pub fn call(&self, operation: &str, arguments: &str, context: &Context) -> Result<Answer, Failure> {
        let found = self.operations.iter().find(|known| known.name == operation);
        let found = found.ok_or_else(|| Failure::not_found("this tool has no such operation"))?;
        let arguments =
            serde_json::from_str(arguments).map_err(|error| Failure::bad_arguments(format!("the arguments are not JSON: {error}")))?;
        (found.handler)(arguments, context)
    }
}
