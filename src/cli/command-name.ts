/** How this program is called where it is advised: in the clone of Assent, which need not be on the PATH. */
export const assent = 'npx assent';
