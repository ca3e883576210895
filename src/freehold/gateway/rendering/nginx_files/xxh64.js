/* XXH64 (seed 0) for an engine without 64-bit integers: numbers are four limbs of 16 bits, the least first.
 * https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md */

const P1 = [0xca87, 0x85eb, 0x79b1, 0x9e37];
const P2 = [0xeb4f, 0x27d4, 0xae3d, 0xc2b2];
const P3 = [0x79f9, 0x9e37, 0x67b1, 0x1656];
const P4 = [0xae63, 0xc2b2, 0xca77, 0x85eb];
const P5 = [0x67c5, 0x1656, 0xeb2f, 0x27d4];

function add(a, b) {
    const s0 = a[0] + b[0];
    const s1 = a[1] + b[1] + (s0 >>> 16);
    const s2 = a[2] + b[2] + (s1 >>> 16);
    return [s0 & 0xffff, s1 & 0xffff, s2 & 0xffff, (a[3] + b[3] + (s2 >>> 16)) & 0xffff];
}

function multiply(a, b) {
    const s0 = a[0] * b[0];
    const s1 = a[1] * b[0] + a[0] * b[1] + Math.floor(s0 / 65536);
    const s2 = a[2] * b[0] + a[1] * b[1] + a[0] * b[2] + Math.floor(s1 / 65536);
    const s3 = a[3] * b[0] + a[2] * b[1] + a[1] * b[2] + a[0] * b[3] + Math.floor(s2 / 65536);
    return [s0 % 65536, s1 % 65536, s2 % 65536, s3 % 65536];
}

function xor(a, b) {
    return [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]];
}

function rotate(a, bits) {
    const limbs = bits >> 4, rest = bits & 15;
    const turned = [];
    for (let i = 0; i < 4; i++) {
        const high = a[(i - limbs + 4) & 3], low = a[(i - limbs + 3) & 3];
        turned.push(((high << rest) | (low >>> (16 - rest))) & 0xffff);
    }
    return turned;
}

function shift(a, bits) {
    const limbs = bits >> 4, rest = bits & 15;
    const shifted = [];
    for (let i = 0; i < 4; i++) {
        const low = a[i + limbs] || 0, high = a[i + limbs + 1] || 0;
        shifted.push(((low >>> rest) | (high << (16 - rest))) & 0xffff);
    }
    return shifted;
}

function limbsAt(bytes, at, count) {
    const limbs = [0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
        limbs[i >> 1] |= bytes[at + i] << (8 * (i & 1));
    }
    return limbs;
}

function round(lane, input) {
    return multiply(rotate(add(lane, multiply(input, P2)), 31), P1);
}

/* The hash of a Buffer, as four limbs. */
function xxh64(bytes) {
    const length = bytes.length;
    let at = 0, hash = P5;
    if (length >= 32) {
        let lanes = [add(P1, P2), P2, [0, 0, 0, 0], add(xor(P1, [0xffff, 0xffff, 0xffff, 0xffff]), [1, 0, 0, 0])];
        for (; at + 32 <= length; at += 32) {
            lanes = lanes.map((lane, i) => round(lane, limbsAt(bytes, at + 8 * i, 8)));
        }
        hash = [1, 7, 12, 18].map((bits, i) => rotate(lanes[i], bits)).reduce(add);
        lanes.forEach(lane => {
            hash = add(multiply(xor(hash, round([0, 0, 0, 0], lane)), P1), P4);
        });
    }
    hash = add(hash, [length & 0xffff, length >>> 16, 0, 0]);
    for (; at + 8 <= length; at += 8) {
        hash = add(multiply(rotate(xor(hash, round([0, 0, 0, 0], limbsAt(bytes, at, 8))), 27), P1), P4);
    }
    if (at + 4 <= length) {
        hash = add(multiply(rotate(xor(hash, multiply(limbsAt(bytes, at, 4), P1)), 23), P2), P3);
        at += 4;
    }
    for (; at < length; at++) {
        hash = multiply(rotate(xor(hash, multiply([bytes[at], 0, 0, 0], P5)), 11), P1);
    }
    hash = multiply(xor(hash, shift(hash, 33)), P2);
    hash = multiply(xor(hash, shift(hash, 29)), P3);
    return xor(hash, shift(hash, 32));
}

/* A number modulo `divisor`, which is less than 2^37. */
function modulo(limbs, divisor) {
    return limbs.reduceRight((rest, limb) => (rest * 65536 + limb) % divisor, 0);
}

export default {xxh64, modulo};
