// Where one looks at a picture: moved, enlarged, fitted; by pointer, wheel, two fingers or keys.

const SMALLEST = 0.05;
const LARGEST = 6;
const MARGIN = 10;
const FITTED = 1.5; // how much a small picture is enlarged
const FAR = 0.5; // at this scale and below, numbers are too small to be read
const FARTHER = 0.22; // and here names are

/** Whether the page is a part of another, which has a wheel of its own. */
const isFramed = window.parent !== window;

export class Looking {
  /** @param {SVGSVGElement} svg @param {SVGGElement} scene */
  constructor(svg, scene) {
    this.svg = svg;
    this.scene = scene;
    this.view = { x: 0, y: 0, scale: 1 };
    this.whole = { width: 0, height: 0 };
    this.asked = 0;
    this.isPrinted = false;
    this.moved = () => {}; // what else follows
    /** @type {Map<number, {x: number, y: number}>} */
    this.fingers = new Map();
    this.byPointer();
    svg.addEventListener("wheel", (event) => this.byWheel(event), { passive: false });
  }

  byPointer() {
    const { svg, fingers } = this;
    let from = this.grip();
    const held = (/** @type {PointerEvent} */ event) => {
      const { left, top } = svg.getBoundingClientRect();
      fingers.set(event.pointerId, { x: event.clientX - left, y: event.clientY - top });
    };
    const let_go = (/** @type {PointerEvent} */ event) => {
      fingers.delete(event.pointerId);
      from = this.grip();
    };
    svg.addEventListener("pointerdown", (event) => {
      held(event);
      from = this.grip();
    });
    svg.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      if (!event.buttons) return let_go(event);
      held(event);
      const now = this.grip();
      const moved = Math.abs(now.x - from.x) + Math.abs(now.y - from.y) > 4 || fingers.size > 1;
      if (moved && !svg.hasPointerCapture(event.pointerId)) svg.setPointerCapture(event.pointerId);
      const scale = within(from.view.scale * (from.apart ? now.apart / from.apart : 1));
      const share = scale / from.view.scale;
      this.look({ scale, x: now.x - (from.x - from.view.x) * share, y: now.y - (from.y - from.view.y) * share });
    });
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, let_go);
  }

  /** The middle of what holds the picture, and how far apart two fingers are. */
  grip() {
    const held = [...this.fingers.values()];
    const [a, b = a] = held.length ? held : [{ x: 0, y: 0 }];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y), view: { ...this.view } };
  }

  /** In another page the wheel is that page's, until the picture is chosen; with Ctrl it enlarges. @param {WheelEvent} event */
  byWheel(event) {
    const isLarger = event.ctrlKey || event.metaKey;
    const isOurs = !isFramed || (document.hasFocus() && this.svg.contains(document.activeElement));
    if (!isLarger && !isOurs) return;
    if (isLarger) {
      event.preventDefault();
      const { left, top } = this.svg.getBoundingClientRect();
      return this.zoom(Math.exp(-event.deltaY / 300), event.clientX - left, event.clientY - top);
    }
    const before = { ...this.view };
    this.look({ ...this.view, x: this.view.x - event.deltaX, y: this.view.y - event.deltaY });
    if (this.view.x !== before.x || this.view.y !== before.y) event.preventDefault();
  }

  /** @param {{x: number, y: number, scale: number}} view never so far away that the picture is lost */
  look({ x, y, scale }) {
    const { width, height } = this.size();
    const held = (/** @type {number} */ at, /** @type {number} */ room, /** @type {number} */ size) => {
      const slack = Math.min(room / 2, size / 2) + MARGIN;
      return Math.min(Math.max(at, Math.min(room - size, 0) - slack), Math.max(room - size, 0) + slack);
    };
    this.view = { scale, x: held(x, width, this.whole.width * scale), y: held(y, height, this.whole.height * scale) };
    this.asked ||= requestAnimationFrame(() => this.show());
  }

  /** Whether any of a place is in sight. @param {{x: number, y: number, width: number, height: number}} place */
  meets(place) {
    const { x, y, scale } = this.view;
    const { width, height } = this.size();
    const lies = (/** @type {number} */ middle, /** @type {number} */ size, /** @type {number} */ room) => middle + size / 2 > 0 && middle - size / 2 < room;
    return lies(place.x * scale + x, place.width * scale, width) && lies(place.y * scale + y, place.height * scale, height);
  }

  /** What is in the middle of the screen. */
  middle() {
    const { x, y, scale } = this.view;
    const { width, height } = this.size();
    return { x: (width / 2 - x) / scale, y: (height / 2 - y) / scale };
  }

  show() {
    this.asked = 0;
    const { x, y, scale } = this.view;
    this.scene.setAttribute("transform", this.isPrinted ? "" : `translate(${x} ${y}) scale(${scale})`);
    this.svg.classList.toggle("far", scale <= FAR);
    this.svg.classList.toggle("farther", scale <= FARTHER);
    this.moved();
  }

  size() {
    const { width, height } = this.svg.getBoundingClientRect();
    return { width: width || 900, height: height || 500 };
  }

  /** The width of a row that is not made smaller. */
  room() {
    return this.size().width - 2 * MARGIN;
  }

  zoom(/** @type {number} */ factor, x = this.size().width / 2, y = this.size().height / 2) {
    const scale = within(this.view.scale * factor);
    const share = scale / this.view.scale;
    this.look({ scale, x: x - (x - this.view.x) * share, y: y - (y - this.view.y) * share });
  }

  /** All of it; or as large as can be read, and then its end, where the loss is. */
  fit(smallest = SMALLEST) {
    const { width, height } = this.size();
    const whole = Math.min((width - 2 * MARGIN) / this.whole.width, (height - 2 * MARGIN) / this.whole.height, FITTED);
    const scale = Math.max(whole, smallest);
    const [across, down] = [this.whole.width * scale, this.whole.height * scale];
    const y = down > height - 2 * MARGIN + 1 ? height - MARGIN - down : (height - down) / 2;
    this.look({ scale, x: across > width ? MARGIN : (width - across) / 2, y });
  }

  /** Whether a place is in sight. @param {{x: number, y: number, width: number, height: number}} place */
  holds(place) {
    const { x, y, scale } = this.view;
    const { width, height } = this.size();
    const lies = (/** @type {number} */ middle, /** @type {number} */ size, /** @type {number} */ room) => middle - size / 2 >= 0 && middle + size / 2 <= room;
    return lies(place.x * scale + x, place.width * scale, width) && lies(place.y * scale + y, place.height * scale, height);
  }

  /**
   * Move as little as makes a place visible, and large enough to be read if that is asked.
   * @param {{x: number, y: number, width: number, height: number}} place @param {number} smallest
   */
  reach(place, smallest = 0) {
    const { width, height } = this.size();
    if (this.view.scale < smallest) this.zoom(smallest / this.view.scale);
    const { scale } = this.view;
    const held = (/** @type {number} */ at, /** @type {number} */ offset, /** @type {number} */ room, /** @type {number} */ size) => {
      const margin = Math.min(room / 3, (size * scale) / 2 + 60);
      return Math.min(Math.max(at * scale + offset, margin), room - margin) - at * scale;
    };
    this.look({ scale, x: held(place.x, this.view.x, width, place.width), y: held(place.y, this.view.y, height, place.height) });
  }
}

const within = (/** @type {number} */ scale) => Math.min(Math.max(scale, SMALLEST), LARGEST);
