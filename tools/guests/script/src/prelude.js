// What a script finds: made of the doors, each of which takes and gives JSON. Strings that cross are JSON; errors cross as {kind, sentence}.
(function (doors) {
    "use strict";
    const { parse, stringify } = JSON;
    const kinds = ["bad_arguments", "not_found", "unavailable", "denied", "failed"];

    class Failure extends Error {
        constructor(kind, sentence) {
            super(String(sentence));
            this.name = "Failure";
            this.kind = kinds.includes(kind) ? kind : "failed";
        }
    }

    const through = (door, value) => {
        const answer = parse(doors(door, stringify(value === undefined ? null : value)));
        if (answer.refused) throw new Failure(answer.refused.kind, answer.refused.sentence);
        return answer.given;
    };

    const shown = (value) => {
        if (typeof value === "string") return value;
        if (value instanceof Error) return `${value.name}: ${value.message}`;
        let text;
        try { text = stringify(value); } catch { /* what refers to itself */ }
        return text === undefined ? String(value) : text;
    };
    const log = (level) => (...values) => { through("log", { level, line: values.map(shown).join(" ") }); };

    const http = (request) => {
        const asked = typeof request === "string" || request instanceof String ? { url: String(request) } : { ...request };
        const headers = Object.entries(asked.headers ?? {}).map(([name, value]) => [String(name), String(value)]);
        let body = asked.body;
        if (body !== undefined && body !== null && typeof body !== "string") {
            body = stringify(body);
            if (!headers.some(([name]) => name.toLowerCase() === "content-type")) headers.push(["content-type", "application/json"]);
        }
        const method = String(asked.method ?? (body === undefined || body === null ? "GET" : "POST")).toUpperCase();
        const answer = through("http", { method, url: String(asked.url), headers, body: body ?? null });
        return { status: answer.status, headers: Object.fromEntries(answer.headers), text: answer.text, json: () => parse(answer.text) };
    };

    const given = { Failure, http, console: { log: log("info"), info: log("info"), debug: log("debug"), warn: log("warn"), error: log("error") } };
    const authored = {
        kv: {
            get: (key) => through("kv_get", String(key)),
            set: (key, value) => { through("kv_set", [String(key), value === undefined ? null : value]); },
            delete: (key) => { through("kv_delete", String(key)); },
            keys: (prefix = "") => through("kv_keys", String(prefix)),
        },
        secret: (slot) => through("secret", String(slot)),
        remembered: (query, limit = 5) => through("memory", { query: String(query), limit }),
        progress: (line) => { through("progress", String(line)); },
    };
    const operations = [];
    authored.operation = (described) => { operations.push({ ...described }); };

    const global = globalThis;
    const put = (values) => {
        for (const [name, value] of Object.entries(values)) {
            Object.defineProperty(global, name, { value, writable: true, configurable: true, enumerable: false });
        }
    };
    put(given);
    return {
        author: () => put(authored),
        described: () => stringify(operations.map(({ run, ...described }) => described)),
        call: (name, args, context) => {
            const found = operations.find((known) => known.name === name);
            if (!found || typeof found.run !== "function") throw new Failure("not_found", "this tool has no such operation");
            return found.run(parse(args), parse(context));
        },
    };
})
