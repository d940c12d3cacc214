//! The lowering's own form: the image's operations over an unlimited number of registers.

use crate::runtime::image::{op, shape, SHAPES};

/// A value of the function: a local, or what one operation computes.
pub type Reg = u32;
/// No register.
pub const NONE: Reg = u32::MAX;
/// A place in the code.
pub type Label = u32;
pub const NO_LABEL: Label = u32::MAX;

/// Marks the place of `Inst::label`; not an instruction of the image.
pub const LABEL: u8 = 0xff;

/// One operation. Which fields mean something follows from the opcode's shape.
#[derive(Clone, Debug)]
pub struct Inst {
    pub op: u8,
    pub x: u8,
    pub def: Reg,
    /// Registers read, for most shapes the fields b and c in this order.
    pub uses: [Reg; 3],
    /// Immediate, offset, index or constant.
    pub imm: i64,
    pub label: Label,
    /// Of calls, returns and bulk operations: registers read.
    pub args: Vec<Reg>,
    /// Of calls and bulk operations: registers written.
    pub results: Vec<Reg>,
    /// Of `BR_TABLE`: the targets, the default last.
    pub labels: Vec<Label>,
    /// Loops around this operation.
    pub depth: u8,
}

impl Inst {
    pub fn new(op: u8) -> Inst {
        Inst {
            op,
            x: 0,
            def: NONE,
            uses: [NONE; 3],
            imm: 0,
            label: NO_LABEL,
            args: Vec::new(),
            results: Vec::new(),
            labels: Vec::new(),
            depth: 0,
        }
    }

    pub fn shape(&self) -> u8 {
        if self.op == LABEL {
            shape::INVALID
        } else {
            SHAPES[self.op as usize]
        }
    }

    /// Calls `f` with each register that is read.
    pub fn each_use(&self, mut f: impl FnMut(Reg)) {
        for &reg in self.uses.iter().filter(|&&reg| reg != NONE) {
            f(reg);
        }
        for &reg in &self.args {
            f(reg);
        }
    }

    pub fn each_def(&self, mut f: impl FnMut(Reg)) {
        if self.def != NONE {
            f(self.def);
        }
        for &reg in &self.results {
            f(reg);
        }
    }

    /// Arguments go into a window of the frame, and slots from there on are lost.
    pub fn has_window(&self) -> bool {
        matches!(self.shape(), shape::CALL | shape::HOST | shape::INDIRECT | shape::BULK)
    }

    pub fn ends_block(&self) -> bool {
        matches!(
            self.shape(),
            shape::BRANCH
                | shape::BRANCH_I
                | shape::JUMP
                | shape::SWITCH
                | shape::END
                | shape::END_S
        )
    }

    pub fn falls_through(&self) -> bool {
        !matches!(self.shape(), shape::JUMP | shape::SWITCH | shape::END | shape::END_S)
    }

    /// Without effect but its result: it may go when nobody reads that.
    pub fn is_pure(&self) -> bool {
        match self.shape() {
            shape::DSS => !matches!(
                self.op,
                op::I32_DIV_S
                    | op::I32_DIV_U
                    | op::I32_REM_S
                    | op::I32_REM_U
                    | op::I64_DIV_S
                    | op::I64_DIV_U
                    | op::I64_REM_S
                    | op::I64_REM_U
            ),
            shape::DSI | shape::DS | shape::DI | shape::GLOBAL | shape::SELECT => true,
            shape::DK => self.op == op::CONST_K,
            _ => false,
        }
    }
}

/// A function between its translation and its emission.
pub struct Body {
    pub insts: Vec<Inst>,
    pub n_regs: u32,
    /// The first registers are the parameters, then the other locals.
    pub n_params: u32,
    pub n_locals: u32,
    pub n_results: u32,
    pub n_labels: u32,
}

/// Is it a comparison that gives 0 or 1?
pub fn is_compare(op: u8) -> bool {
    (op::I32_EQ..=op::I64_GT_U_I).contains(&op)
}

/// Turns a comparison into its opposite, if it has one with the operands there are.
pub fn invert(inst: &mut Inst) -> bool {
    let (branch, op) = if is_compare(inst.op) {
        (0, inst.op)
    } else {
        (op::BR_I32_EQ - op::I32_EQ, inst.op - (op::BR_I32_EQ - op::I32_EQ))
    };
    let imm = inst.imm;
    let (new, swap, imm) = match op {
        op::I32_EQ => (op::I32_NE, false, imm),
        op::I32_NE => (op::I32_EQ, false, imm),
        op::I32_LT_S => (op::I32_LE_S, true, imm),
        op::I32_LE_S => (op::I32_LT_S, true, imm),
        op::I32_LT_U => (op::I32_LE_U, true, imm),
        op::I32_LE_U => (op::I32_LT_U, true, imm),
        op::I64_EQ => (op::I64_NE, false, imm),
        op::I64_NE => (op::I64_EQ, false, imm),
        op::I64_LT_S => (op::I64_LE_S, true, imm),
        op::I64_LE_S => (op::I64_LT_S, true, imm),
        op::I64_LT_U => (op::I64_LE_U, true, imm),
        op::I64_LE_U => (op::I64_LT_U, true, imm),
        op::I32_EQ_I => (op::I32_NE_I, false, imm),
        op::I32_NE_I => (op::I32_EQ_I, false, imm),
        op::I64_EQ_I => (op::I64_NE_I, false, imm),
        op::I64_NE_I => (op::I64_EQ_I, false, imm),
        op::I32_LT_S_I => (op::I32_GT_S_I, false, imm - 1),
        op::I64_LT_S_I => (op::I64_GT_S_I, false, imm - 1),
        op::I32_GT_S_I => (op::I32_LT_S_I, false, imm + 1),
        op::I64_GT_S_I => (op::I64_LT_S_I, false, imm + 1),
        op::I32_LT_U_I if imm != 0 => (op::I32_GT_U_I, false, imm - 1),
        op::I64_LT_U_I if imm != 0 => (op::I64_GT_U_I, false, imm - 1),
        op::I32_GT_U_I if imm != -1 => (op::I32_LT_U_I, false, imm + 1),
        op::I64_GT_U_I if imm != -1 => (op::I64_LT_U_I, false, imm + 1),
        _ => return false,
    };
    if i16::try_from(imm).is_err() {
        return false;
    }
    inst.op = new + branch;
    inst.imm = imm;
    if swap {
        inst.uses.swap(0, 1);
    }
    true
}

/// Turns a conditional branch into the one that branches in the opposite case.
pub fn invert_branch(inst: &mut Inst) -> bool {
    match inst.op {
        op::BR_I32_TEST_I => inst.op = op::BR_I32_NTEST_I,
        op::BR_I32_NTEST_I => inst.op = op::BR_I32_TEST_I,
        _ => return invert(inst),
    }
    true
}
