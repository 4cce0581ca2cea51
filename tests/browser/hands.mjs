// Two ways to use a page: with the mouse, and with the keyboard alone.

/** A developer with a mouse. */
export const mouse = (page) => ({
  press: (target) => target.click(),
  fill: (target, text) => target.fill(text),
  choose: (_, target) => target.check(),
  pick: (target, option) => target.selectOption({ label: option }),
  open: (_, pane) => page.getByRole('navigation').getByRole('link', { name: pane }).click(),
});

/** A developer without one: everything is reached with Tab, and where the focus is can be seen. */
export const keyboard = (page) => {
  const { keyboard: keys } = page;
  async function reach(target) {
    await target.waitFor();
    for (let tabs = 0; tabs < 300; tabs++) {
      const [there, visible] = await target.evaluate((element) => {
        const focused = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(focused);
        const marked = focused === document.body || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2);
        return [element === focused, marked];
      });
      if (!visible) throw new Error('the focus cannot be seen');
      if (there && !(await target.isDisabled())) return;
      await keys.press('Tab');
    }
    throw new Error(`the keyboard does not reach ${target}`);
  }
  return {
    async press(target) {
      await reach(target);
      await keys.press('Enter');
    },
    async fill(target, text) {
      await reach(target);
      await keys.press('Control+A');
      await keys.type(text);
    },
    /** Radio buttons: Tab reaches the one that is chosen, and the arrows choose another one. */
    async choose(chosen, target) {
      await reach(chosen);
      for (let presses = 0; !(await target.isChecked()) && presses < 5; presses++) await keys.press('ArrowDown');
    },
    async pick(target, option) {
      await reach(target);
      await keys.press('Home');
      const label = () => target.evaluate((select) => select.selectedOptions[0].label);
      for (let presses = 0; (await label()) !== option && presses < 20; presses++) await keys.press('ArrowDown');
    },
    async open(_, pane) {
      await reach(page.getByRole('navigation').getByRole('link', { name: pane }));
      await keys.press('Enter');
    },
  };
};
