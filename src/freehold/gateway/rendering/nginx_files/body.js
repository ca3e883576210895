/* The key `model` of a JSON body: its value, and where it stands in the bytes. */

const QUOTE = 0x22, BACKSLASH = 0x5c, COLON = 0x3a, COMMA = 0x2c, BRACE = 0x7b, END_OF_OBJECT = 0x7d;
const CLOSES = {0x7b: END_OF_OBJECT, 0x5b: 0x5d};
const DEEPEST = 900;  // levels; about where the gateway's own decoder ends
const LONGEST_WALK = 500000;  // steps: no request holds a worker longer than about a second

// what may come next
const VALUE = 0, FIRST_VALUE = 1, KEY = 2, FIRST_KEY = 3, AFTER_KEY = 4, AFTER_VALUE = 5;

/* The `model` of a request's body, of several the last one; null without any. Throws where the body is no JSON. */
function modelOf(r) {
    try {
        const document = JSON.parse(r.requestBuffer ? r.requestBuffer.toString() : '');
        const isObject = document !== null && typeof document == 'object' && !Array.isArray(document);
        return isObject && Object.prototype.hasOwnProperty.call(document, 'model') ? document.model : null;
    } catch (e) {
        if (!/too deep/.test(e.message)) {  // njs reads 32 levels
            throw e;
        }
        const values = walk(r.requestBuffer);
        return values.length ? values[values.length - 1].value : null;
    }
}

/* A body that is JSON and names a model, with another name in its place. Every other byte stays. */
function renamed(bytes, name) {
    const quoted = Buffer.from(JSON.stringify(name));
    const pieces = [];
    let from = 0;
    (onlyPlace(bytes) || walk(bytes)).forEach(place => {
        pieces.push(bytes.slice(from, place.from), quoted);
        from = place.to;
    });
    pieces.push(bytes.slice(from));
    return Buffer.concat(pieces);
}

/* The place of the value of `model` if no other object of the body has that key; null where it takes a walk to tell. */
function onlyPlace(bytes) {
    if (bytes.indexOf('\\u006') >= 0) {  // a letter of `model` may be written so
        return null;
    }
    let found = null;
    for (let at = bytes.indexOf('"model"'); at >= 0; at = bytes.indexOf('"model"', at + 7)) {
        const colon = pastSpace(bytes, at + 7);
        if (bytes[at - 1] == BACKSLASH || bytes[colon] != COLON) {
            continue;  // within a text, or a text itself
        }
        if (found !== null) {
            return null;
        }
        const from = pastSpace(bytes, colon + 1);
        found = [{from: from, to: pastText(bytes, from)}];
    }
    return found;
}

/* All keys `model` of the outermost object: {from, to} of their values, and {value}. Throws where the bytes are no
 * JSON. */
function walk(bytes) {
    const open = [], found = [];
    let at = pastSpace(bytes, 0), next = VALUE, isModel = false, steps = 0;
    while (at < bytes.length) {
        const from = at, byte = bytes[at], inner = open[open.length - 1];
        if (++steps > LONGEST_WALK) {
            throw new SyntaxError('too many values, nested too deep');
        }
        if (byte === inner && (next == AFTER_VALUE || next == FIRST_VALUE || next == FIRST_KEY)) {
            open.pop();
            next = AFTER_VALUE;
            at++;
        } else if (byte == COLON && next == AFTER_KEY) {
            next = VALUE;
            at++;
        } else if (byte == COMMA && next == AFTER_VALUE && open.length) {
            next = inner == END_OF_OBJECT ? KEY : VALUE;
            at++;
        } else if (byte == QUOTE && (next == KEY || next == FIRST_KEY)) {
            at = pastText(bytes, at);
            isModel = literal(bytes, from, at) == 'model' && open.length == 1;
            next = AFTER_KEY;
        } else if (next == VALUE || next == FIRST_VALUE) {
            const opens = CLOSES[byte] !== undefined;
            at = opens ? at + 1 : byte == QUOTE ? pastText(bytes, at) : pastWord(bytes, at);
            const value = opens ? {} : literal(bytes, from, at);
            if (isModel && open.length == 1) {
                found.push({from: from, to: at, value: value});
            }
            isModel = false;
            if (opens && open.push(CLOSES[byte]) > DEEPEST) {
                throw new SyntaxError('Nested too deep at position ' + at);
            }
            next = !opens ? AFTER_VALUE : byte == BRACE ? FIRST_KEY : FIRST_VALUE;
        } else {
            throw new SyntaxError('Unexpected token at position ' + at);
        }
        at = pastSpace(bytes, at);
    }
    if (open.length || next != AFTER_VALUE) {
        throw new SyntaxError('Unexpected end of input at position ' + at);
    }
    return found;
}

function literal(bytes, from, to) {
    return JSON.parse(bytes.slice(from, to).toString());
}

function pastSpace(bytes, at) {
    while (bytes[at] == 0x20 || bytes[at] == 0x0a || bytes[at] == 0x0d || bytes[at] == 0x09) {
        at++;
    }
    return at;
}

/* Behind the quote that closes the text that begins at `at`. */
function pastText(bytes, at) {
    for (;;) {
        at = bytes.indexOf(QUOTE, at + 1);
        if (at < 0) {
            throw new SyntaxError('Unexpected end of input');
        }
        let before = at;
        while (bytes[before - 1] == BACKSLASH) {
            before--;
        }
        if ((at - before) % 2 == 0) {
            return at + 1;
        }
    }
}

/* Behind the number, `true`, `false` or `null` that begins at `at`. */
function pastWord(bytes, at) {
    const from = at;
    while (at < bytes.length && /[A-Za-z0-9+.-]/.test(String.fromCharCode(bytes[at]))) {
        at++;
    }
    if (at == from) {
        throw new SyntaxError('Unexpected token at position ' + at);
    }
    return at;
}

export default {modelOf, renamed};
