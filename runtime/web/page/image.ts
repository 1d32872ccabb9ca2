/** A picture as a network takes it: its size and its axes from the file, its scaling as the user says. */

import type { Tensor, TensorSpec } from "../src/index.js";

/** How the bytes of a picture become numbers. */
export interface Scaling {
  readonly name: string;
  /** What is taken off each channel of 0 to 1, and what it is divided by. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

const all = (number: number): number[] => [number, number, number];

/** The usual ones. Which it is, a file does not say. */
export const SCALINGS: readonly Scaling[] = [
  { name: "0 to 1", mean: all(0), deviation: all(1) },
  { name: "−1 to 1", mean: all(0.5), deviation: all(0.5) },
  { name: "0 to 255", mean: all(0), deviation: all(1 / 255) },
  { name: "ImageNet's mean and standard deviation", mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
];

/** What an input takes, if it is one of pictures. */
export interface ImageInput {
  readonly type: "float32" | "uint8";
  /** Its channels, 1 or 3, and whether they are the last axis. */
  readonly channels: 1 | 3;
  readonly channelsLast: boolean;
  /** Undefined where it takes any. */
  readonly height: number | undefined;
  readonly width: number | undefined;
}

/** What `spec` takes as pictures; undefined if it does not take them. */
export function imageInput({ dtype: type, shape }: TensorSpec): ImageInput | undefined {
  if ((type !== "float32" && type !== "uint8") || shape.length !== 4) return undefined;
  const sizes = shape.map((one) => (typeof one === "number" ? one : undefined));
  if (sizes[0] !== undefined && sizes[0] !== 1) return undefined;
  const isCount = (one: number | undefined): one is 1 | 3 => one === 1 || one === 3;
  // Pictures of three pixels are rarer than channels.
  if (isCount(sizes[1])) return { type, channels: sizes[1], channelsLast: false, height: sizes[2], width: sizes[3] };
  if (isCount(sizes[3])) return { type, channels: sizes[3], channelsLast: true, height: sizes[1], width: sizes[2] };
  return undefined;
}

/** Where the axis of a picture has no size, it is at most so large. */
const LARGEST = 512;

/** The size in which a picture is given to the network. */
export function sizeFor({ height, width }: ImageInput, picture: { width: number; height: number }): { width: number; height: number } {
  const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  return { height: height ?? Math.max(1, Math.round(picture.height * scale)), width: width ?? Math.max(1, Math.round(picture.width * scale)) };
}

/**
 * The tensor of a picture: its data, and its shape.
 *
 * @param pixels red, green, blue and alpha of each pixel, line by line.
 */
export function tensorOf(input: ImageInput, pixels: Uint8ClampedArray, width: number, height: number, { mean, deviation }: Scaling): Tensor {
  const { channels, channelsLast, type } = input;
  const count = width * height;
  const data = type === "uint8" ? new Uint8Array(channels * count) : new Float32Array(channels * count);
  for (let at = 0; at < count; at += 1) {
    const colour = [pixels[4 * at]!, pixels[4 * at + 1]!, pixels[4 * at + 2]!];
    // The luma of ITU-R BT.601, as most programs make grey of colours.
    const found = channels === 3 ? colour : [0.299 * colour[0]! + 0.587 * colour[1]! + 0.114 * colour[2]!];
    found.forEach((one, channel) => {
      const place = channelsLast ? at * channels + channel : channel * count + at;
      data[place] = type === "uint8" ? Math.round(one) : (one / 255 - mean[channel]!) / deviation[channel]!;
    });
  }
  return { data, shape: channelsLast ? [1, height, width, channels] : [1, channels, height, width] };
}
