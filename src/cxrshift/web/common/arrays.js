// The contract's arrays (proto/cxrshift_api/json_codec.py) as typed arrays.

const KINDS = { uint8: Uint8Array, float32: Float32Array };

/**
 * @param {{dtype: "uint8"|"float32", shape: number[], data: string}} packed base64 in C order, little-endian
 * @returns {{shape: number[], values: Uint8Array|Float32Array}}
 */
export function decodeArray({ dtype, shape, data }) {
  const bytes = bytesOf(data);
  const values = new KINDS[dtype](bytes.buffer);
  if (values.length !== shape.reduce((product, extent) => product * extent, 1)) {
    throw new Error("The answer's array does not have the size that it says.");
  }
  return { shape, values };
}

function bytesOf(base64) {
  const letters = atob(base64);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i); // Uint8Array.from takes tens of milliseconds
  return bytes;
}

/** The pictures (H, W) of a stack (R, H, W), without copying. */
export function slicesOf({ shape: [count, height, width], values }) {
  const size = height * width;
  return Array.from({ length: count }, (_, index) => values.subarray(index * size, (index + 1) * size));
}

/** The value below which `share` (0 to 1) of the values lie. */
export function quantile(values, share) {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.round(share * (sorted.length - 1)))] ?? 0;
}
