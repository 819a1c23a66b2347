import { create } from 'qrcode';
import { svg } from '../shared/dom.ts';

/** A QR code as elements: Trusted Types let no markup in, and a picture would need another policy. */
export function qrCode(text: string, label: string): SVGElement {
  const { size, data } = create(text, { errorCorrectionLevel: 'M' }).modules;
  const dark = Array.from(data, (bit, i) => (bit ? `M${(i % size) + 4} ${Math.floor(i / size) + 4}h1v1h-1z` : ''));
  const whole = size + 8; // four modules of quiet around it
  return svg(
    'svg',
    { viewBox: `0 0 ${whole} ${whole}`, role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' },
    svg('rect', { width: whole, height: whole, fill: '#fff' }),
    svg('path', { d: dark.join(''), fill: '#000' }),
  );
}
