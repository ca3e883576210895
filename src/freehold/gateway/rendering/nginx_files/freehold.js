/* Which model a request names, and which of its route's models answers: what `freehold gateway` decides, for Nginx.
 * Written for njs 0.7.9 (no BigInt, no Map, no `of`); routes.js beside it holds the routes. */
import json from 'body.js';
import table from 'routes.js';
import hash from 'xxh64.js';

const ATTEMPTS = 5;  // Nginx allows 10 internal redirects; each attempt after the first takes two

// -- entry points, named by freehold.conf ---------------------------------------------------------------------------

/* Every request. */
function route(r) {
    const path = r.variables.request_uri.split('?')[0];
    const place = placeOf(path);
    if (place === null) {
        refuse(r, 'path_not_found', dialectAt(path), {path: path.slice(0, 200)});
    } else if (r.method != place.method && !(place.method == 'GET' && r.method == 'HEAD')) {
        refuseMethod(r, path, place);
    } else if (place.list) {
        answerList(r, place);
    } else {
        pass(r, place);
    }
}

/* The request goes on to its model, after a copy of it went to the shadow. */
function onward(r) {
    r.internalRedirect(r.variables.freehold_onward);
}

/* A model did not answer. Another is asked only if not a byte went out: the request cannot have arrived then. */
function failed(r) {
    const place = placeOf(r.variables.request_uri.split('?')[0]);
    const arrived = /[1-9]/.test(r.variables.upstream_bytes_sent || '');
    const attempt = Number(r.variables.freehold_attempt) + 1;
    const all = attempts(table.route(r.variables.freehold_route), r);
    if (!arrived && attempt < all.length) {
        r.internalRedirect(prepare(r, place, readBody(r, place), all, attempt));
        return;
    }
    const slow = /504\s*$/.test(r.variables.upstream_status || '');
    const code = !arrived ? 'upstream_unreachable' : slow ? 'upstream_slow' : 'upstream_cut';
    const id = r.variables.freehold_model;
    refuse(r, code, place.dialect, {model: id, seconds: table.model(id).silence});
}

/* A model has as many requests as its `limits` let in. */
function overloaded(r) {
    const id = r.variables.freehold_model;
    refuse(r, 'overloaded', dialectAt(r.variables.request_uri), {model: id, limit: table.model(id).most});
}

/* The body is larger than it may be. */
function tooLarge(r) {
    refuse(r, 'body_too_large', dialectAt(r.variables.request_uri), {});
}

// -- paths ------------------------------------------------------------------------------------------------------------

/* What stands at a path, escapes and all; null for nothing. A slash at its end is tolerated. */
function placeOf(path) {
    if (path.endsWith('/')) {
        path = path.slice(0, -1);
    }
    const tail = table.openai(path);
    if (tail !== null) {
        return {method: 'POST', dialect: 'openai', tail: tail};
    }
    const parts = path.split('/');
    if (parts[1] == 'v2' && parts[2] == 'models') {
        return inferencePlace(parts);
    }
    const listed = parts.slice(parts[1] == 'v1' ? 2 : 1);
    if (listed[0] != 'models' || listed.length > 2) {
        return null;
    }
    const id = listed.length == 2 ? decoded(listed[1]) : '';
    return listed.length == 2 && !id ? null : {method: 'GET', dialect: 'openai', list: true, model: id};
}

/* /v2/models/ID[/versions/V][/VERB] of the Open Inference Protocol. */
function inferencePlace(parts) {
    const id = decoded(parts[3] || '');
    const versioned = parts[4] == 'versions';
    const version = versioned ? decoded(parts[5] || '') : '1';
    const rest = parts.slice(versioned ? 6 : 4);
    const verb = rest.length ? rest[0] : '';
    const method = table.inference(verb);
    if (!version || /^\.\.?$|[\/\\]/.test(version)) {
        return null;  // it would lead a server that decodes a path before it reads it to another model
    }
    if (!id || rest.length > 1 || (rest.length && !verb) || method === null) {
        return null;
    }
    const tail = '/' + parts.slice(4).join('/');
    return {method: method, dialect: 'oip', model: id, tail: tail == '/' ? '' : tail};
}

function dialectAt(path) {
    return /^\/v2([\/?]|$)/.test(path) ? 'oip' : 'openai';
}

function answerList(r, place) {
    const listed = name => ({id: name, object: 'model', created: 0, owned_by: 'freehold'});
    if (!place.model) {
        reply(r, 200, JSON.stringify({object: 'list', data: table.names().map(listed)}));
    } else if (table.route(place.model) !== null) {
        reply(r, 200, JSON.stringify(listed(place.model)));
    } else {
        refuse(r, 'model_not_found', place.dialect, {model: place.model.slice(0, 200)});
    }
}

// -- the name ---------------------------------------------------------------------------------------------------------

function pass(r, place) {
    try {
        r.requestBuffer;
    } catch (e) {
        tooLarge(r);  // with the heads of its chunks it went into a file
        return;
    }
    const body = readBody(r, place);
    const said = {
        path: place.model,
        'header x-model-id': lastHeader(r, 'x-model-id').trim(),
        'query model_id': queryValue(r.variables.args || ''),
        body: body.model
    };
    const given = Object.keys(said).filter(where => said[where]);
    if (!given.length) {
        refuseUnnamed(r, place, body);
        return;
    }
    const name = said[given[0]];
    const route = table.route(name);
    if (given.some(where => said[where] != name)) {
        const all = given.map(where => where + ': ' + said[where].slice(0, 80)).join(', ');
        refuse(r, 'model_conflict', place.dialect, {said: all});
    } else if (route === null) {
        refuse(r, 'model_not_found', place.dialect, {model: name.slice(0, 200)});
    } else {
        try {
            r.variables.freehold_route = name;
            begin(r, place, body, route);
        } catch (e) {
            if (!(e instanceof SyntaxError)) {
                throw e;
            }
            refuse(r, 'json_malformed', place.dialect, {reason: e.message});  // too long a walk for a new name
        }
    }
}

function refuseUnnamed(r, place, body) {
    if (body.encoding) {
        refuse(r, 'body_encoding_unsupported', place.dialect, {encoding: body.encoding.slice(0, 40)});
    } else if (body.reason) {
        refuse(r, 'json_malformed', place.dialect, {reason: body.reason});
    } else {
        refuse(r, 'model_not_named', place.dialect, {});
    }
}

/* {model} of a JSON object, of several the last; {reason} why it cannot be told, {encoding} it is packed with. */
function readBody(r, place) {
    if (r.method != 'POST') {
        return {};
    }
    const encoding = lastHeader(r, 'content-encoding').trim();
    if (encoding && encoding.toLowerCase() != 'identity') {
        return {encoding: encoding};
    }
    const type = lastHeader(r, 'content-type').split(';')[0].trim().toLowerCase();
    const isBytes = place.model && lastHeader(r, 'inference-header-content-length');  // tensors, which name no model
    if (isBytes || (type && type != 'application/json')) {
        return {};
    }
    try {
        const model = json.modelOf(r);
        const isText = model === null || (typeof model == 'string' && model.indexOf('\ufffd') < 0);
        return isText ? {model: model} : {reason: '`model` is not a text'};
    } catch (e) {
        return {reason: e.message};
    }
}

/* The value of the query's first `model_id`. */
function queryValue(query) {
    const named = query.split('&').filter(pair => keyOf(pair) == 'model_id');
    return named.length ? plain(named[0].slice(named[0].indexOf('=') + 1 || named[0].length)) : '';
}

/* What stands before the `=` of `pair` in a query. */
function keyOf(pair) {
    return plain(pair.split('=')[0]);
}

// -- the model that answers -----------------------------------------------------------------------------------------

function begin(r, place, body, route) {
    r.variables.freehold_turn = String(Math.floor(Math.random() * 1e6));
    const shadow = route.shadow;
    // Nginx reads no further request of a connection while a copy is under way, so the connection ends with this one;
    // a client of HTTP/1.0 might wait for that end
    if (shadow && r.httpVersion != '1.0' && Math.random() * 100 < shadow.percent) {
        const model = table.model(shadow.id);
        r.variables.freehold_shadow_uri = uriThere(r, place, model);
        r.variables.freehold_shadow_name = lastHeader(r, 'x-model-id') ? model.there : '';
        r.variables.freehold_shadow_endpoint = endpoint(model, Number(r.variables.freehold_turn));
        r.rawVariables.freehold_shadow_body = bodyThere(r, body, model);
        r.variables.freehold_onward = prepare(r, place, body, attempts(route, r), 0);
        r.internalRedirect('@shadow-' + shadow.id);
    } else {
        r.internalRedirect(prepare(r, place, body, attempts(route, r), 0));
    }
}

/* Who is asked, one after the other: the model of the request's slot, the route's next ones, its fallback. */
function attempts(route, r) {
    const shares = route.to;
    let first = 0;
    if (shares.length > 1) {
        const slot = slotOf(r.rawVariables.freehold_request_id);
        for (let reached = shares[0].percent; reached <= slot; reached += shares[first].percent) {
            first++;
        }
    }
    const ids = [];
    for (let i = 0; i < shares.length; i++) {
        const share = shares[(first + i) % shares.length];
        if (share.percent > 0) {
            ids.push(share.id);
        }
    }
    const turn = Number(r.variables.freehold_turn);
    const all = [];
    ids.forEach(id => {
        const endpoints = table.model(id).endpoints;
        const more = endpoints ? Math.min(endpoints.length, table.tries()) : 1;
        for (let i = 0; i < more; i++) {
            all.push({id: id, turn: turn + i});
        }
    });
    if (route.fallback === undefined || ids.indexOf(route.fallback) >= 0) {
        return all.slice(0, ATTEMPTS);
    }
    return all.slice(0, ATTEMPTS - 1).concat([{id: route.fallback, turn: turn}]);
}

/* Sets what freehold.conf sends to the model of that attempt, and returns its location. */
function prepare(r, place, body, all, attempt) {
    const id = all[attempt].id;
    const model = table.model(id);
    const variables = r.variables;
    variables.freehold_attempt = String(attempt);
    variables.freehold_model = id;
    variables.freehold_uri = uriThere(r, place, model);
    variables.freehold_endpoint = endpoint(model, all[attempt].turn);
    variables.freehold_name = lastHeader(r, 'x-model-id') ? model.there : '';
    r.rawVariables.freehold_body = bodyThere(r, body, model);
    return '@model-' + id;
}

/* Path and query at a model's server, with the name that it has there. */
function uriThere(r, place, model) {
    const path = place.dialect == 'oip' ? model.root + '/v2/models/' + encodeURIComponent(model.there) : model.base;
    const named = pair => keyOf(pair) == 'model_id' && pair.indexOf('=') >= 0 && !pair.endsWith('=');
    const renamed = pair => (named(pair) ? 'model_id=' + encodeURIComponent(model.there) : pair);
    const query = (r.variables.args || '').split('&').map(renamed).join('&');
    return path + place.tail + (query ? '?' + query : '');
}

/* One of the addresses of a model whose host is a name; '' where freehold.conf has an upstream of it. */
function endpoint(model, turn) {
    return model.endpoints ? model.endpoints[turn % model.endpoints.length] : '';
}

/* What is sent in place of the body; empty where that can go as it is. */
function bodyThere(r, body, model) {
    const isOther = body.model && body.model != model.there;
    return isOther ? json.renamed(r.requestBuffer, model.there) : Buffer.from('');
}

/* Where the request of that id falls, 0 to 99. */
function slotOf(id) {
    const halves = hash.xxh64(id);
    return (halves[0] % 100 * 96 + halves[1]) % 100;  // 2^32 is 96, modulo 100
}

// -- answers ----------------------------------------------------------------------------------------------------------

/* An error of routes.js, its {placeholders} filled in. */
function refuse(r, code, dialect, details) {
    const error = table.error(code);
    const filled = error[dialect].replace(/\{([a-z]+)\}/g, (whole, key) => (
        has(details, key) ? JSON.stringify(readable(details[key])).slice(1, -1) : whole
    ));
    if (error.retry) {
        r.headersOut['Retry-After'] = error.retry;
    }
    reply(r, error.status, filled);
}

/* A detail as text; bytes of a request that are no UTF-8 become U+FFFD. */
function readable(detail) {
    return Buffer.from(String(detail)).toString();
}

function refuseMethod(r, path, place) {
    const allowed = place.method == 'GET' ? 'GET, HEAD, OPTIONS' : 'OPTIONS, POST';
    r.headersOut.Allow = allowed;
    if (r.method == 'OPTIONS') {
        r.return(204);
    } else {
        refuse(r, 'method_not_allowed', place.dialect, {path: path.slice(0, 200), method: r.method, allowed: allowed});
    }
}

function reply(r, status, json) {
    r.headersOut['Content-Type'] = 'application/json';
    r.return(status, json);
}

// -- small things -------------------------------------------------------------------------------------------------------

function has(object, key) {
    return Object.prototype.hasOwnProperty.call(object, key);
}

/* The last header of that name (in lower case), or ''. */
function lastHeader(r, name) {
    const all = r.rawHeadersIn.filter(pair => pair[0].toLowerCase() == name);
    return all.length ? all[all.length - 1][1] : '';
}

/* A segment of a path without its escapes, '' where they are no UTF-8. */
function decoded(segment) {
    try {
        return decodeURIComponent(segment);
    } catch (e) {
        return '';
    }
}

/* A key or value of a query without its escapes; as it came where they are no UTF-8. */
function plain(text) {
    const spaced = text.replace(/\+/g, ' ');
    return decoded(spaced) || spaced;
}

export default {route, onward, failed, overloaded, tooLarge, slotOf};
