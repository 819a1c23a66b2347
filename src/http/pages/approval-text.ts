import { chooseLanguage, translator } from '../../../views/texts/index.ts';

/** What a person reads on a device of theirs when a new one asks to be added; in their language, where that is known. */
export function approvalText(device: string, language: string | undefined): string {
  return translator(chooseLanguage(language === undefined ? [] : [language]))('enroll.approve.message', { device });
}
