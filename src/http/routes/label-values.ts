import type { Router } from 'express';
import { quotedJson } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { mount } from '../route.ts';
import { answerAboutLabels, type LabelQuestionDeps } from './label-question.ts';

/** `GET /api/v1/label/NAME/values`. A name outside `[a-zA-Z0-9_]` may come escaped, as `U__my_2e_label`. */
export function labelValuesRoute(router: Router, deps: LabelQuestionDeps): void {
  mount(router, '/api/v1/label/:name/values', {
    GET: async (request, response) => {
      const name = unescapeName(String(request.params['name']));
      await answerAboutLabels(request, response, deps, {
        find: (reader, ...question) => {
          if (name === '') throw new BadParameterError('name', 'the label name is empty');
          return reader.labelValues(name, ...question);
        },
        toJson: quotedJson,
        mayBeAll: true,
      });
    },
  });
}

/** Prometheus's value encoding of names: `U__`, then `__` for `_` and `_2e_` for the character with that code. */
export function unescapeName(text: string): string {
  if (!text.startsWith('U__')) return text;
  let name = '';
  for (let at = 3; at < text.length; ) {
    if (text[at] !== '_') {
      name += text[at++];
      continue;
    }
    if (text[at + 1] === '_') {
      name += '_';
      at += 2;
      continue;
    }
    const code = /^_([0-9a-fA-F]{1,6})_/.exec(text.slice(at, at + 8));
    const point = code === null ? Number.NaN : Number.parseInt(code[1]!, 16);
    // What is not written by the rule is no escaped name: it stands for itself.
    if (!(point <= 0x10ffff) || (point >= 0xd800 && point <= 0xdfff)) return text;
    name += String.fromCodePoint(point);
    at += code![0].length;
  }
  return name;
}
