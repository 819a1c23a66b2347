/** Which PINs may be set. Checked when a PIN is made, never when it is used. */
import { DeviceError } from './errors.ts';

/** Longer ones are passwords, and nobody types them on a phone. */
const maxDigits = 32;

// The most frequent choices in leaked lists that the rules below do not catch already.
const blocked = new Set(
  `1004 2000 2001 2580 0852 5683 1998 2468 1357 0070 007007 159753 147258 258369 147147 159159 131313 112358 314159
   271828 142536 789456 456789 246810 102030 010203 102938 741852 963852 852456 520520 147369 159357 135790 13579 24680
   147896 147852 258000 192837 5201314 31415926 27182818`.split(/\s+/),
);

/**
 * @param length least number of digits, from the enrollment's policy; never below 4
 * @throws DeviceError pin_not_digits | pin_too_short | pin_too_long | pin_weak
 */
export function checkNewPin(pin: string, length: number): void {
  const text = pin.normalize('NFC');
  if (!/^\d+$/.test(text)) throw new DeviceError('pin_not_digits');
  if (text.length < Math.max(4, length))
    throw new DeviceError('pin_too_short', { members: { pin_length: Math.max(4, length) } });
  if (text.length > maxDigits) throw new DeviceError('pin_too_long');
  if (isWeak(text)) throw new DeviceError('pin_weak');
}

function isWeak(pin: string): boolean {
  return blocked.has(pin) || isRepeated(pin) || isRun(pin) || new Set(pin).size < 3 || isDoubled(pin) || isDate(pin);
}

/** 121212, 123123, 111111 */
function isRepeated(pin: string): boolean {
  return /^(.+?)\1+$/.test(pin);
}

/** 123456, 654321, 135791, 890123: every step is the same */
function isRun(pin: string): boolean {
  const steps = Array.from(pin.slice(1), (digit, i) => (Number(digit) - Number(pin[i]) + 10) % 10);
  return new Set(steps).size === 1;
}

/** 112233, 998877 */
function isDoubled(pin: string): boolean {
  return /^(?:(\d)\1)+$/.test(pin) && isRun(pin.replace(/(\d)\1/g, '$1'));
}

/** Birthdays and years: 1987, 241287, 24121987, 19871224. */
function isDate(pin: string): boolean {
  const day = '(0[1-9]|[12]\\d|3[01])';
  const month = '(0[1-9]|1[0-2])';
  const year = '(19|20)\\d\\d';
  return new RegExp(`^(${year}|${day}${month}(\\d\\d|${year})|${month}${day}${year}|${year}${month}${day})$`).test(pin);
}
