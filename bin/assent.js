#!/usr/bin/env node
import { setup } from './setup.js';

setup(['src/cli/main.ts', ...process.argv.slice(2)]);
