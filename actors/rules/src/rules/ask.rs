//! A request in the terms of the schema.

use cedar_policy::{Context, Entities, Entity, Request as Asked, RestrictedExpression as Expression};
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
        let deed = &request.deed;
        let member = uid(&self.member, &request.who.name);
        let resource = uid(&self.operation, &format!("{}.{}", deed.tool, deed.operation));
        let context = Context::from_pairs(self.context(request)).map_err(|_| Together)?;
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
        entities.push(Entity::new_with_tags(resource.clone(), attributes, [uid(&self.tool, &deed.tool)], []).map_err(|_| Together)?);
        entities.push(self.actions.get(&deed.effect).ok_or(Together)?.clone());
        entities.push(Entity::new_with_tags(uid(&self.texts, BAG), [], [], texts).map_err(|_| Together)?);
        entities.push(Entity::new_with_tags(uid(&self.numbers, BAG), [], [], numbers).map_err(|_| Together)?);
        let entities = Entities::from_entities(entities, None).map_err(|_| Together)?;
        let asked = Asked::new(member, self.action(deed.effect), resource, context, None).map_err(|_| Together)?;
        Ok((asked, entities))
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

    fn context(&self, request: &Request) -> [(String, Expression); 12] {
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
            ("order".to_owned(), literal(&self.order, request.order.word())),
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
