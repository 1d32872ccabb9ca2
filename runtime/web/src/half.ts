/** float16: its bits, and the numbers that they stand for. */

/** The number that is nearest to `value` among those of float16, ties to even; infinite beyond 65,519. */
export const halfRound = (value: number): number => fromHalf(toHalf(value));

/** The bits of the float16 that is nearest to a number, ties to even. */
export function toHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  // Below 2**-14 all have the same unit.
  let exponent = -14;
  while (exponent < 15 && size >= 2 ** (exponent + 1)) exponent += 1;
  const whole = size / 2 ** (exponent - 10);
  const floor = Math.floor(whole);
  const rest = whole - floor;
  const steps = floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
  // 1024 steps without the first bit of normal numbers; what is rounded up to 2048 carries into the exponent.
  return sign | (steps + (exponent + 14) * 1024);
}

/** The number that the bits of a float16 stand for. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const rest = bits & 1023;
  if (exponent === 31) return rest ? NaN : sign * Infinity;
  return sign * (exponent ? (1024 + rest) * 2 ** (exponent - 25) : rest * 2 ** -24);
}
