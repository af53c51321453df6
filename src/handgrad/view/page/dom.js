// Elements: texts are texts, never markup.

const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";

/** @typedef {string | number | Element | null | undefined | false} Child */

/**
 * An HTML element.
 * @param {string} name @param {Record<string, any>} [attributes] @param {...(Child | Child[])} children
 * @returns {any}
 */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/**
 * An SVG element.
 * @param {string} name @param {Record<string, any>} [attributes] @param {...(Child | Child[])} children
 * @returns {any}
 */
export function s(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** @param {Element} element @param {Record<string, any>} attributes @param {any[]} children */
function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A formula: nested lists [name, child, ...], as handgrad.view.formulas makes them. @param {any[]} tree */
export function math(tree) {
  const built = (/** @type {any[]} */ [name, ...children]) => {
    const element = document.createElementNS(MATHML, name);
    element.append(...children.map((child) => (typeof child === "string" ? child : built(child))));
    return element;
  };
  const element = document.createElementNS(MATHML, "math");
  element.append(built(tree));
  return element;
}

/** Enter acts, space chooses. @param {() => void} enter */
export function pressed(enter, space = enter) {
  return (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    (event.key === "Enter" ? enter : space)();
  };
}
