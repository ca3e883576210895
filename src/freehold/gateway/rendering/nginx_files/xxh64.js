/* XXH64 (seed 0) for an engine without 64-bit integers: https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
 * A number is a high and a low half of 32 bits; every function leaves its result in `high` and `low`, since an array for
 * each of some hundred results takes njs ten times as long. */

let high = 0, low = 0;

// the primes of the specification
const H1 = 0x9e3779b1, L1 = 0x85ebca87;
const H2 = 0xc2b2ae3d, L2 = 0x27d4eb4f;
const H3 = 0x165667b1, L3 = 0x9e3779f9;
const H4 = 0x85ebca77, L4 = 0xc2b2ae63;
const H5 = 0x27d4eb2f, L5 = 0x165667c5;

function add(h, l) {
    const sum = (low >>> 0) + (l >>> 0);
    high = (high + h + (sum > 0xffffffff ? 1 : 0)) | 0;
    low = sum | 0;
}

function multiply(h, l) {
    const a = low & 0xffff, b = low >>> 16, c = l & 0xffff, d = l >>> 16;
    const bottom = a * c, left = b * c, right = a * d;
    const middle = (bottom >>> 16) + (left & 0xffff) + (right & 0xffff);
    high = (Math.imul(high, l) + Math.imul(low, h) + b * d + (left >>> 16) + (right >>> 16) + (middle >>> 16)) | 0;
    low = (middle << 16) | (bottom & 0xffff);
}

/* `bits` is less than 32. */
function rotate(bits) {
    const h = high;
    high = (h << bits) | (low >>> (32 - bits));
    low = (low << bits) | (h >>> (32 - bits));
}

/* Stirs 8 bytes into the lane that `high` and `low` are not: the round of the specification. */
function round(laneHigh, laneLow) {
    multiply(H2, L2);
    add(laneHigh, laneLow);
    rotate(31);
    multiply(H1, L1);
}

function read(bytes, at) {
    return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
}

/* Four lanes of 8 bytes each, as long as there are 32; returns where they end. */
function stripes(bytes) {
    const h = [H1 + H2, H2, 0, ~H1], l = [L1 + L2, L2, 0, -L1];
    let at = 0;
    for (; at + 32 <= bytes.length; at += 32) {
        for (let lane = 0; lane < 4; lane++) {
            low = read(bytes, at + 8 * lane);
            high = read(bytes, at + 8 * lane + 4);
            round(h[lane], l[lane]);
            h[lane] = high;
            l[lane] = low;
        }
    }
    let sumHigh = 0, sumLow = 0;
    [1, 7, 12, 18].forEach((bits, lane) => {
        high = h[lane];
        low = l[lane];
        rotate(bits);
        add(sumHigh, sumLow);
        sumHigh = high;
        sumLow = low;
    });
    for (let lane = 0; lane < 4; lane++) {
        high = h[lane];
        low = l[lane];
        round(0, 0);
        high ^= sumHigh;
        low ^= sumLow;
        multiply(H1, L1);
        add(H4, L4);
        sumHigh = high;
        sumLow = low;
    }
    return at;
}

/* The hash of a Buffer: [high, low], both without a sign. */
function xxh64(bytes) {
    let at = 0;
    if (bytes.length >= 32) {
        at = stripes(bytes);
    } else {
        high = H5;
        low = L5;
    }
    add(0, bytes.length);
    let h, l;
    for (; at + 8 <= bytes.length; at += 8) {
        h = high;
        l = low;
        low = read(bytes, at);
        high = read(bytes, at + 4);
        round(0, 0);
        high ^= h;
        low ^= l;
        rotate(27);
        multiply(H1, L1);
        add(H4, L4);
    }
    if (at + 4 <= bytes.length) {
        h = high;
        l = low;
        high = 0;
        low = read(bytes, at);
        multiply(H1, L1);
        high ^= h;
        low ^= l;
        rotate(23);
        multiply(H2, L2);
        add(H3, L3);
        at += 4;
    }
    for (; at < bytes.length; at++) {
        h = high;
        l = low;
        high = 0;
        low = bytes[at];
        multiply(H5, L5);
        high ^= h;
        low ^= l;
        rotate(11);
        multiply(H1, L1);
    }
    low ^= high >>> 1;
    multiply(H2, L2);
    low ^= (low >>> 29) | (high << 3);
    high ^= high >>> 29;
    multiply(H3, L3);
    return [high >>> 0, (low ^ high) >>> 0];
}

export default {xxh64};
