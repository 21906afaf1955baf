// My tool: what a word means.

operation({
    name: "define",
    description: "What an English word means.",
    // What it does to the world: read, write_own, external_send, pay, physical, delete or admin. A request's method counts as well.
    effect: "read",
    // May be made again if its outcome is unknown.
    idempotent: true,
    // JSON Schema of the arguments. The house checks them before.
    parameters: {
        type: "object",
        required: ["word"],
        properties: { word: { type: "string", minLength: 1, maxLength: 60 } },
        additionalProperties: false,
    },
    // What an argument is for, by JSON pointer.
    arguments: { "/word": "content" },
    // How far a field of the answer is trusted. Every field that is not named was written by somebody outside.
    fields: { "/asked": "service" },
    run({ word }, context) {
        // What somebody else wrote goes into an address encoded.
        const answer = http("https://api.dictionaryapi.dev/api/v2/entries/en/" + encodeURIComponent(word));
        if (answer.status === 404) throw new Failure("not_found", "the word is not in the dictionary");
        if (answer.status !== 200) throw new Failure("unavailable", `the dictionary answered with status ${answer.status}`);
        const meanings = answer.json()[0].meanings.map((meaning) => ({
            kind: meaning.partOfSpeech,
            meaning: meaning.definitions[0].definition,
        }));
        // Values are kept for each member, from call to call.
        const asked = (kv.get("asked") ?? 0) + 1;
        kv.set("asked", asked);
        return { word, meanings, asked };
    },
});
