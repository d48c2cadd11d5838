// What all pictures of a page have in common: where they are looked at, how bright, and how a map lies over them.

const LARGEST_ZOOM = 12;

/** Zoom, pan, window and map settings. Says "change" whenever one of them did. */
export class View extends EventTarget {
  zoom = 1;
  /** The picture's point in the middle of the stage, in [0, 1] both ways. */
  x = 0.5;
  y = 0.5;
  /** Centre and width of the grey window, in stored values (0 to 255). */
  level = 127.5;
  width = 255;
  /** How a map is drawn: opacity of its highest values, share of its scale below which nothing is drawn, colours. */
  opacity = 0.85;
  threshold = 0.08;
  colours = "inferno";

  set(changes) {
    Object.assign(this, changes);
    this.zoom = clamp(this.zoom, 1, LARGEST_ZOOM);
    const margin = 0.5 / this.zoom;
    this.x = clamp(this.x, margin, 1 - margin);
    this.y = clamp(this.y, margin, 1 - margin);
    this.level = clamp(this.level, 0, 255);
    this.width = clamp(this.width, 1, 510);
    this.dispatchEvent(new Event("change"));
  }

  /** Zoom by `factor` about a point, (0, 0) the top left of the picture that fits and (1, 1) its bottom right. */
  zoomAt(factor, stageX = 0.5, stageY = 0.5) {
    const zoom = clamp(this.zoom * factor, 1, LARGEST_ZOOM);
    const shift = 1 / this.zoom - 1 / zoom;
    this.set({ zoom, x: this.x + (stageX - 0.5) * shift, y: this.y + (stageY - 0.5) * shift });
  }

  /** Move the picture by shares of the stage. */
  pan(right, down) {
    this.set({ x: this.x - right / this.zoom, y: this.y - down / this.zoom });
  }

  resetZoom() {
    this.set({ zoom: 1, x: 0.5, y: 0.5 });
  }

  resetWindow() {
    this.set({ level: 127.5, width: 255 });
  }
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
