const most = 10;

/** Of `Accept-Language`, in the order in which they stand there. */
export function languagesOf(header: string): string[] {
  return header
    .split(',', most)
    .map((tag) => tag.split(';')[0]!.trim())
    .filter((tag) => tag !== '');
}
