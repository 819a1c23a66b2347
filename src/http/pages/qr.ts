import { create } from 'qrcode';
import { type Html, html, raw } from './html.ts';

/** Modules of white around it (ISO/IEC 18004). */
const quiet = 4;

/** A QR code as markup of its own: no picture to fetch, and no style that a policy would have to allow. */
export function qrCode(text: string, label: string): Html {
  const { size, data } = create(text, { errorCorrectionLevel: 'M' }).modules;
  const dark = Array.from(data, (bit, i) =>
    bit ? `M${(i % size) + quiet} ${Math.floor(i / size) + quiet}h1v1h-1z` : '',
  );
  const whole = size + 2 * quiet;
  return html`<svg role="img" aria-label="${label}" viewBox="0 0 ${whole} ${whole}" shape-rendering="crispEdges">${raw(
    `<rect width="${whole}" height="${whole}" fill="#fff"/><path d="${dark.join('')}" fill="#000"/>`,
  )}</svg>`;
}
