// A number's own computation, written out: 2·2 + 4·6 + 6·10.

import { short, raised } from "./figures.js";
import { FUNCTIONS } from "./functions.js";

const MOST = 16; // parts that are written of a sum
const SUM = 1, PRODUCT = 2, POWER = 3, ATOM = 4; // how tightly parts hold together
const CHOSEN = new Set(["+", "max", "min"]); // what is told in a line of its own, where it is a part of something

/**
 * Whoever writes out nodes of a table.
 * @typedef {{ numberOf: (array: number, place: number) => number, nameOf: ((array: number, place: number) => string) | null }} Given
 */
export class Speech {
  /** @param {any[][]} nodes @param {Given} given what entries are, and their names where these are written */
  constructor(nodes, { numberOf, nameOf }) {
    this.nodes = nodes;
    this.numberOf = numberOf;
    this.nameOf = nameOf;
    /** @type {Map<number, number>} */
    this.values = new Map();
    /** @type {Map<number, string>} what is told in lines of its own */
    this.aside = new Map();
    /** @type {Map<string, number[]>} the entries that were met */
    this.met = new Map();
    this.largest = 0;
  }

  /** What a node comes to. @param {number} id @returns {number} */
  value(id) {
    const known = this.values.get(id);
    if (known !== undefined) return known;
    const [head, ...rest] = this.nodes[id];
    const made = typeof head === "number" && rest.length ? this.numberOf(head, rest[0])
      : rest.length === 0 ? Number(head)
        : head === "where" ? this.value(rest[this.value(rest[0]) ? 1 : 2])
          : FUNCTIONS[head](...rest.map((part) => this.value(part)));
    if (Math.abs(made) < Infinity) this.largest = Math.max(this.largest, Math.abs(made));
    this.values.set(id, made);
    return made;
  }

  /** The whole of a node, in lines. @param {number} id */
  lines(id) {
    const whole = this.written(id)[0];
    return [whole, ...this.aside.values()];
  }

  /** A part, in parentheses where it would fall apart. @param {number} id @param {number} tight */
  part(id, tight) {
    const inner = this.taken(id);
    const [head, ...rest] = this.nodes[inner];
    if (this.nameOf === null && CHOSEN.has(head) && rest.length > 2) return this.apart(inner, tight);
    const [words, hold] = this.written(inner);
    return hold < tight ? `(${words})` : words;
  }

  /** A part that has a line of its own: here only what it comes to. @param {number} id @param {number} tight */
  apart(id, tight) {
    const number = short(this.value(id));
    if (!this.aside.has(id)) {
      this.aside.set(id, "");
      const words = this.written(id)[0];
      this.aside.delete(id);
      this.aside.set(id, `${number} = ${words}`);
    }
    return tight > SUM && /[−×]/.test(number) ? `(${number})` : number;
  }

  /** What is chosen where something is. @param {number} id @returns {number} */
  taken(id) {
    const [head, condition, yes, no] = this.nodes[id];
    return head === "where" ? this.taken(this.value(condition) ? yes : no) : id;
  }

  /** @param {number} given @returns {[string, number]} the words, and how tightly they hold together */
  written(given) {
    const id = this.taken(given);
    const [head, ...parts] = this.nodes[id];
    if (!parts.length) return held(short(Number(head)));
    if (typeof head === "number") return this.entry(id, head, parts[0]);
    if (head === "+") return [this.sum(parts), SUM];
    if (head === "·") return [parts.map((part) => this.part(part, PRODUCT)).join("·"), PRODUCT];
    if (head === "/") return [`${this.part(parts[0], PRODUCT)}/${this.part(parts[1], POWER)}`, PRODUCT];
    if (head === "−") return [`−${this.part(parts[0], PRODUCT)}`, SUM];
    if (head === "pow") return [this.power(parts[0], parts[1]), POWER];
    if (head === "sqrt") return [`√${this.part(parts[0], ATOM)}`, ATOM];
    if (head === "abs") return [`|${this.written(parts[0])[0]}|`, ATOM];
    const words = few(parts.map((part) => this.written(part)[0]), ", ");
    const isQuestion = ["isfinite", "logical_", "equal", "not_equal", "less", "greater"].some((name) => head.startsWith(name));
    return isQuestion ? held(short(this.value(id))) : [`${head}(${words})`, ATOM];
  }

  /** @param {number} id @param {number} array @param {number} place @returns {[string, number]} */
  entry(id, array, place) {
    this.met.set(`${array} ${place}`, [array, place]);
    return this.nameOf ? [this.nameOf(array, place), ATOM] : held(short(this.value(id)));
  }

  /** @param {number[]} parts */
  sum(parts) {
    const words = parts.map((each, i) => {
      const id = this.taken(each);
      const [head, inner] = this.nodes[id];
      if (i && head === "−") return `− ${this.part(inner, PRODUCT)}`;
      const text = this.part(id, i ? SUM + 0.5 : SUM);
      return i ? `+ ${text}` : text;
    });
    return few(words, " ");
  }

  /** @param {number} base @param {number} exponent */
  power(base, exponent) {
    const e = this.nodes[exponent].length === 1 ? Number(this.nodes[exponent][0]) : NaN;
    const above = Number.isInteger(e) && Math.abs(e) < 100 ? raised(e) : `^${this.part(exponent, ATOM)}`;
    return `${this.part(base, ATOM)}${above}`;
  }
}

/** @param {string} number @returns {[string, number]} */
const held = (number) => [number, number.startsWith("−") ? SUM : number.includes("×") ? PRODUCT : ATOM];

/** The first of many. @param {string[]} words @param {string} between */
export function few(words, between) {
  return words.length <= MOST ? words.join(between) : `${words.slice(0, MOST - 2).join(between)} … (${words.length - MOST + 2} more)`;
}
