/** What this browser calls itself, for a name that the person can change; trusted for nothing. */

export function guessSystem(): string {
  const agent = navigator.userAgent;
  const systems: [RegExp, string][] = [
    [/Android/, 'Android'],
    [/iPhone|iPad/, 'iOS'],
    [/Mac OS X/, 'macOS'],
    [/Windows/, 'Windows'],
    [/CrOS/, 'ChromeOS'],
    [/Linux/, 'Linux'],
  ];
  return systems.find(([pattern]) => pattern.test(agent))?.[1] ?? 'Unknown';
}

export function guessBrowser(): string {
  const agent = navigator.userAgent;
  const browsers: [RegExp, string][] = [
    [/Edg\//, 'Edge'],
    [/Firefox\//, 'Firefox'],
    [/Chrome\//, 'Chrome'],
    [/Safari\//, 'Safari'],
  ];
  return browsers.find(([pattern]) => pattern.test(agent))?.[1] ?? 'Browser';
}

export function guessName(): string {
  return `${guessBrowser()} · ${guessSystem()}`;
}
