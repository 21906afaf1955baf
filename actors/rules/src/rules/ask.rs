//! A request in the terms of the schema.

use cedar_policy::{Context, Entity, RestrictedExpression as Expression};
use hearth_domain::household::Role;
use hearth_domain::label::Integrity;

use super::*;
use crate::request::{Person, day_word};

/// The names of the schema's types, read once.
#[derive(Debug)]
pub(super) struct Names {
    role: EntityTypeName,
    age: EntityTypeName,
    member: EntityTypeName,
    tool: EntityTypeName,
    kind: EntityTypeName,
    operation: EntityTypeName,
    texts: EntityTypeName,
    numbers: EntityTypeName,
    weekday: EntityTypeName,
    integrity: EntityTypeName,
    order: EntityTypeName,
    place: EntityTypeName,
    action: EntityTypeName,
    /// The actions with their groups: without them no rule about a group applies.
    actions: BTreeMap<Effect, Entity>,
}

/// The bag of arguments has this id: there is one in a request.
const BAG: &str = "arguments";

impl Names {
    pub(super) fn new(schema: &Schema) -> Result<Self, Together> {
        let of = |name: &str| EntityTypeName::from_str(name).map_err(|_| Together);
        let action = of("Action")?;
        let known = schema.action_entities().map_err(|_| Together)?;
        let entity = |effect| Some((effect, known.get(&uid(&action, effect_word(effect)))?.clone()));
        let actions: BTreeMap<_, _> = EFFECTS.into_iter().filter_map(entity).collect();
        if actions.len() != EFFECTS.len() {
            return Err(Together);
        }
        Ok(Self {
            role: of("Role")?,
            age: of("Age")?,
            member: of("Member")?,
            tool: of("Tool")?,
            kind: of("Kind")?,
            operation: of("Operation")?,
            texts: of("Texts")?,
            numbers: of("Numbers")?,
            weekday: of("Weekday")?,
            integrity: of("Integrity")?,
            order: of("Order")?,
            place: of("Place")?,
            action,
            actions,
        })
    }

    pub(super) fn action(&self, effect: Effect) -> EntityUid {
        uid(&self.action, effect_word(effect))
    }

    /// The request and all that rules can look up in it. Written to fit the schema, which a test holds it to; not checked each time.
    pub(super) fn asked(&self, request: &Request) -> Result<(Asked, Entities), Together> {
        Ok((self.request(request, request.order)?, self.entities(request)?))
    }

    /// The request, by this word.
    pub(super) fn request(&self, request: &Request, order: Order) -> Result<Asked, Together> {
        let member = uid(&self.member, &request.who.name);
        let context = Context::from_pairs(self.context(request, order)).map_err(|_| Together)?;
        Asked::new(member, self.action(request.deed.effect), self.resource(request), context, None).map_err(|_| Together)
    }

    /// The bag of arguments to which this attribute of the context leads in every request, in the JSON form of an entity's name.
    pub(super) fn bag(&self, attribute: &str) -> Option<serde_json::Value> {
        let of = match attribute {
            "text" => &self.texts,
            "number" => &self.numbers,
            _ => return None,
        };
        Some(serde_json::json!({ "type": of.to_string(), "id": BAG }))
    }

    fn resource(&self, request: &Request) -> EntityUid {
        uid(&self.operation, &format!("{}.{}", request.deed.tool, request.deed.operation))
    }

    /// All that rules can look up in it.
    pub(super) fn entities(&self, request: &Request) -> Result<Entities, Together> {
        let (deed, resource) = (&request.deed, self.resource(request));
        let texts = deed.texts.iter().map(|(name, value)| (name.clone(), Expression::new_string(value.clone())));
        let numbers = deed.numbers.iter().map(|(name, value)| (name.clone(), Expression::new_long(*value)));
        // Rules look nothing up of the others who are present: they are compared by their names alone.
        let mut entities = vec![self.person(&request.who)?];
        let kinds = Expression::new_set(deed.kinds.iter().map(|kind| literal(&self.kind, kind.word())));
        let attributes = [
            ("tool".to_owned(), Expression::new_string(deed.tool.clone())),
            ("operation".to_owned(), Expression::new_string(deed.operation.clone())),
            ("kinds".to_owned(), kinds),
        ];
        entities.push(Entity::new_with_tags(resource, attributes, [uid(&self.tool, &deed.tool)], []).map_err(|_| Together)?);
        entities.push(self.actions.get(&deed.effect).ok_or(Together)?.clone());
        entities.push(Entity::new_with_tags(uid(&self.texts, BAG), [], [], texts).map_err(|_| Together)?);
        entities.push(Entity::new_with_tags(uid(&self.numbers, BAG), [], [], numbers).map_err(|_| Together)?);
        Entities::from_entities(entities, None).map_err(|_| Together)
    }

    fn person(&self, person: &Person) -> Result<Entity, Together> {
        let age = match person.role {
            Role::Owner | Role::Adult => "grown_up",
            Role::Teen => "teen",
            Role::Child => "child",
            Role::Guest => "unknown",
        };
        let role = uid(&self.role, &person.role.to_string());
        Entity::new_with_tags(uid(&self.member, &person.name), [("age".to_owned(), literal(&self.age, age))], [role], [])
            .map_err(|_| Together)
    }

    fn context(&self, request: &Request, order: Order) -> [(String, Expression); 12] {
        let integrity = match request.integrity {
            Integrity::Outside => "outside",
            Integrity::Member => "member",
            Integrity::House => "house",
        };
        let audience = request.audience.iter().map(|person| literal(&self.member, &person.name));
        [
            ("text".to_owned(), literal(&self.texts, BAG)),
            ("number".to_owned(), literal(&self.numbers, BAG)),
            ("minute".to_owned(), Expression::new_long(request.at.minute().into())),
            ("weekday".to_owned(), literal(&self.weekday, day_word(request.at.weekday()))),
            ("spent_today".to_owned(), Expression::new_long(request.spending.today.into())),
            ("spent_month".to_owned(), Expression::new_long(request.spending.month.into())),
            ("integrity".to_owned(), literal(&self.integrity, integrity)),
            ("order".to_owned(), literal(&self.order, order.word())),
            ("place".to_owned(), literal(&self.place, request.setting.word())),
            ("audience".to_owned(), Expression::new_set(audience)),
            ("child_present".to_owned(), Expression::new_bool(request.child_present())),
            ("guest_present".to_owned(), Expression::new_bool(request.guest_present())),
        ]
    }
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn literal(of: &EntityTypeName, id: &str) -> Expression {
    Expression::new_entity_uid(uid(of, id))
}

#[cfg(test)]
impl Rules {
    /// What all of these rules, each as it is written and all at once, say: the names of those that decided.
    pub(crate) fn undivided(&self, text: &str, request: &Request) -> (bool, BTreeSet<String>) {
        let set = PolicySet::from_str(text).unwrap();
        let (asked, entities) = self.names.asked(request).unwrap();
        let answer = Authorizer::new().is_authorized(&asked, &set, &entities);
        let name = |id: &PolicyId| set.annotation(id, "id").unwrap().to_owned();
        (answer.decision() == Verdict::Allow, answer.diagnostics().reason().map(name).collect())
    }

    /// Whether what rules are asked is what the schema says that they are.
    pub(crate) fn fits_the_schema(&self, request: &Request) -> bool {
        let schema = check::schema(SCHEMA).unwrap();
        let (asked, entities) = self.names.asked(request).unwrap();
        let context = asked.context().unwrap().clone();
        let [principal, action, resource] = [asked.principal(), asked.action(), asked.resource()].map(|uid| uid.unwrap().clone());
        let entities = entities.iter().filter(|entity| entity.uid().type_name().basename() != "Action").cloned();
        Entities::from_entities(entities, Some(&schema)).is_ok() && Asked::new(principal, action, resource, context, Some(&schema)).is_ok()
    }
}
